#include "kernels/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <numeric>
#include <set>
#include <stdexcept>

namespace edgeclip::kernels {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<int> times(static_cast<std::size_t>(round % 37), 0);
      pool.run(static_cast<std::int64_t>(times.size()), [&](std::int64_t i) { ++times[static_cast<std::size_t>(i)]; });
      EXPECT_EQ(std::accumulate(times.begin(), times.end(), 0), static_cast<int>(times.size()));
      EXPECT_EQ(std::set<int>(times.begin(), times.end()).size(), times.empty() ? 0u : 1u);
    }
  }
}

TEST(ThreadPool, WhatTasksWroteIsSeenByTheCaller) {
  ThreadPool pool(4);
  std::vector<std::int64_t> values(64);
  for (std::int64_t round = 0; round < 2000; ++round) {
    pool.run(64, [&](std::int64_t i) { values[static_cast<std::size_t>(i)] = round * i; });
    std::int64_t sum = 0;
    for (const std::int64_t value : values) sum += value;
    ASSERT_EQ(sum, round * 64 * 63 / 2);
  }
}

TEST(ThreadPool, HelpersTakePart) {
  ThreadPool pool(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  // Each task waits for the other: one thread alone would never end.
  std::atomic<int> arrived{0};
  pool.run(2, [&](std::int64_t) {
    ++arrived;
    while (arrived.load() < 2) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 2u);
}

TEST(ThreadPool, TheFirstExceptionIsRethrownAndThePoolGoesOn) {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(pool.run(100, [](std::int64_t i) { if (i == 7) throw std::runtime_error("seven"); }), std::runtime_error);
    std::atomic<int> done{0};
    pool.run(100, [&](std::int64_t) { ++done; });
    EXPECT_EQ(done.load(), 100);
  }
}

TEST(ThreadPool, ARegionWithinATaskRunsInItsThread) {
  ThreadPool pool(4);
  std::atomic<int> done{0};
  pool.run(8, [&](std::int64_t) {
    const auto self = std::this_thread::get_id();
    pool.run(5, [&](std::int64_t) { done += std::this_thread::get_id() == self ? 1 : 1000; });
  });
  EXPECT_EQ(done.load(), 40);
}

TEST(ThreadPool, ManyCallersAtOnce) {
  ThreadPool pool(3);
  std::atomic<std::int64_t> sum{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 4; ++c)
      callers.emplace_back([&] {
        const ExecutorUse use(pool);
        for (int round = 0; round < 500; ++round) pool.run(16, [&](std::int64_t i) { sum += i; });
      });
  }
  EXPECT_EQ(sum.load(), 4 * 500 * 120);
}

TEST(ThreadPool, CallersAtWorkCountAsThreads) {
  ThreadPool pool(2);
  const ExecutorUse other(pool), own(pool);  // two callers, two threads: nobody helps
  const auto self = std::this_thread::get_id();
  int elsewhere = 0;
  pool.run(1000, [&](std::int64_t) { elsewhere += std::this_thread::get_id() == self ? 0 : 1; });
  EXPECT_EQ(elsewhere, 0);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(ThreadPool, AnIdlePoolTakesNoCpu) {
  ThreadPool pool(4);
  pool.run(100, [](std::int64_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_seconds() - before, 0.1);  // three spinning threads would take up to 0.6
}

TEST(ThreadPool, SessionsShareAPool) {
  const auto one = shared_pool(2), two = shared_pool(2), three = shared_pool(3);
  EXPECT_EQ(one, two);
  EXPECT_NE(one, three);
  EXPECT_EQ(three->threads(), 3);
}

TEST(Chunks, CoverEverythingOnce) {
  ThreadPool pool(3);
  for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 100, 1001})
    for (const std::int64_t grain : {1, 7, 64})
      for (const std::int64_t unit : {1, 16}) {
        std::vector<std::atomic<int>> times(static_cast<std::size_t>(n));
        parallel_chunks(
            pool, n, grain,
            [&](std::int64_t begin, std::int64_t end) {
              EXPECT_EQ(begin % unit, 0);
              for (std::int64_t i = begin; i < end; ++i) ++times[static_cast<std::size_t>(i)];
            },
            unit);
        for (const auto& t : times) EXPECT_EQ(t.load(), 1);
      }
}

}  // namespace
}  // namespace edgeclip::kernels
