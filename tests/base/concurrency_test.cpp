#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/measure.h"
#include "base/nearest.h"
#include "base/progress.h"
#include "base/queue.h"
#include "base/rng.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(BoundedQueue, DeliversEverythingOnceAndEnds) {
  BoundedQueue<int> queue(3);
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int c = 0; c < 2; ++c)
    threads.emplace_back([&] {
      while (auto item = queue.pop()) sum += *item;
    });
  std::vector<std::thread> producers;
  for (int p = 0; p < 2; ++p)
    producers.emplace_back([&] {
      for (int i = 1; i <= 100; ++i) EXPECT_TRUE(queue.push(i));
    });
  for (auto& t : producers) t.join();
  queue.close();
  for (auto& t : threads) t.join();
  EXPECT_EQ(sum, 2 * 5050);
  EXPECT_FALSE(queue.push(1));
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(BoundedQueue, CloseWakesAFullProducer) {
  BoundedQueue<int> queue(1);
  queue.push(1);
  std::thread producer([&] { EXPECT_FALSE(queue.push(2)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  queue.close();
  producer.join();
  EXPECT_EQ(queue.pop().value(), 1);  // what was queued stays
}

TEST(ParallelFor, VisitsEachIndexOnceAndRethrows) {
  std::vector<std::atomic<int>> seen(1000);
  parallel_for(
      1000, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; }, 4);
  for (const auto& n : seen) EXPECT_EQ(n, 1);
  EXPECT_THROW(parallel_for(
                   100,
                   [](std::int64_t i) {
                     if (i == 50) throw InvalidInput("x");
                   },
                   4),
               InvalidInput);
  set_interrupted(true);
  EXPECT_THROW(parallel_for(
                   100, [](std::int64_t) {}, 4),
               Interrupted);
  {
    const InterruptionHeld held;
    EXPECT_NO_THROW(parallel_for(
        100, [](std::int64_t) {}, 4));
    EXPECT_FALSE(interrupted());
    EXPECT_TRUE(signal_arrived());
  }
  EXPECT_TRUE(interrupted());
  set_interrupted(false);
}

#if !defined(__SANITIZE_ADDRESS__)  // which needs memory of its own
void end_without_threads() {
  struct rlimit no_memory_for_stacks {};
  ::setrlimit(RLIMIT_DATA, &no_memory_for_stacks);
  try {
    require_threads(64);
  } catch (const std::system_error&) {
    ::_exit(7);
  }
  ::_exit(0);
}

TEST(RequireThreads, ThrowsWhereTheyCannotBeStarted) {
  require_threads(0);
  require_threads(3);
  EXPECT_EXIT(end_without_threads(), testing::ExitedWithCode(7), "");
}
#endif

TEST(Threads, CountIsPositiveAndCanBeSet) {
  EXPECT_GE(available_cpus(), 1);
  set_thread_count(3);
  EXPECT_EQ(thread_count(), 3);
  set_thread_count(0);
  EXPECT_EQ(thread_count(), available_cpus());
}

TEST(ProcessMetrics, MeasureThisProcess) {
  const Stopwatch clock;  // what share of it is ours is the machine's business
  ResourceSampler sampler(20);
  volatile double x = 0;
  const double start = process_cpu_seconds();
  while (process_cpu_seconds() - start < 0.15) x = x + 1;
  const ResourceUsage usage = sampler.stop();
  EXPECT_GE(usage.cpu_percent.avg, 0.99 * 100 * 0.15 / clock.seconds());
  EXPECT_GE(usage.cpu_percent.peak, usage.cpu_percent.avg);
  EXPECT_GT(usage.rss_mb.avg, 1);
  EXPECT_GE(usage.rss_mb.peak, usage.rss_mb.avg);
  EXPECT_GT(usage.memory_percent.avg, 0);
  EXPECT_LT(usage.memory_percent.peak, 100);
  EXPECT_GE(peak_rss_bytes(), resident_memory().total() / 2);
}

TEST(Rng, IsAPureFunctionOfItsSeeds) {
  Rng a = Rng::stream(1, 2, 3), b = Rng::stream(1, 2, 3), c = Rng::stream(1, 3, 2);
  const auto first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
  EXPECT_EQ(Rng(0).next(), Rng(0).next());
  std::set<std::int64_t> seen;
  double mean = 0, square = 0;
  Rng r(7);
  for (int i = 0; i < 20000; ++i) {
    const auto n = r.below(6);
    ASSERT_GE(n, 0);
    ASSERT_LT(n, 6);
    seen.insert(n);
    const double z = r.normal();
    mean += z / 20000;
    square += z * z / 20000;
  }
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_NEAR(mean, 0, 0.05);
  EXPECT_NEAR(square, 1, 0.05);
}

TEST(Utf8, FindsEveryKindOfFault) {
  EXPECT_EQ(find_invalid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("ab\xFF"), 2u);
  EXPECT_EQ(find_invalid_utf8("\xC0\x80"), 0u);          // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // > U+10FFFF
  EXPECT_EQ(find_invalid_utf8("x\xE2\x82"), 1u);         // cut
  EXPECT_EQ(utf8_to_utf32("\xE2\x82\xAC\xFF"), (std::u32string{0x20AC, 0xFFFD}));
  EXPECT_NE(test::invalid_input_of([] { require_utf8("a\xFF", "--text"); }).find("offset 1"),
            std::string::npos);
}

TEST(Nearest, FindsTyposOnly) {
  EXPECT_EQ(nearest_name("evalaute", {"evaluate", "export"}), "evaluate");
  EXPECT_EQ(nearest_name("xyz", {"evaluate", "export"}), "");
  EXPECT_EQ(did_you_mean("xyz", {"a", "b"}), "; known: a, b");
}

TEST(Progress, ALineSaysWhatIsDoneAndLeft) {
  ProgressState state{"train", "steps", "loss 2.310, R@1 12.5 %, 205 images/s", 24, 48, 8};
  EXPECT_EQ(progress_line(state, 0), "train 24/48 steps, 3.00/s, 8 s left, loss 2.310, R@1 12.5 %, 205 images/s");
  EXPECT_EQ(progress_line(state, 200),
            "train [############............] 24/48 steps, 3.00/s, 8 s left, loss 2.310, R@1 12.5 %, 205 images/s");
  EXPECT_EQ(progress_line(state, 90), progress_line(state, 0)) << "no room for the bar";
  EXPECT_EQ(progress_line(state, 40).size(), 39u);
  state.last = true;
  state.note.clear();
  EXPECT_EQ(progress_line(state, 0), "train 24/48 steps, 3.00/s, took 8 s");
  EXPECT_EQ(progress_line({"index", "images", "", 5, 0, 0}, 80), "index 5 images, 0.00/s");
}

TEST(Progress, PlainLinesGrowRarer) {
  const auto lines = [](double seconds, bool terminal) {
    int count = 0;
    double drawn = 0;
    for (double t = 0; t < seconds; t += 0.05)
      if (progress_due(t, t - drawn, terminal)) {
        drawn = t;
        ++count;
      }
    return count;
  };
  EXPECT_NEAR(lines(60, true), 600, 300);  // some ten a second
  EXPECT_EQ(lines(61, false), 6);
  EXPECT_LT(lines(24 * 3600, false), 200);
}

TEST(Progress, DurationsReadWell) {
  EXPECT_EQ(format_duration(12.4), "12 s");
  EXPECT_EQ(format_duration(245), "4:05");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

}  // namespace
}  // namespace edgeclip
