#include "data/pipeline/decode_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/signals.h"

namespace edgeclip {
namespace {

/// `count` images that are their numbers; those in `left_out` are not.
DecodePipeline::Next numbers(std::int64_t count, const std::set<std::int64_t>& left_out = {}) {
  auto next = std::make_shared<std::int64_t>(0);
  return [=]() -> DecodePipeline::Decode {
    if (*next == count) return {};
    const std::int64_t i = (*next)++;
    return [=](DecodedImage& image) {
      image = {i, Image(1, 1)};
      return left_out.count(i) == 0;
    };
  };
}

DecodePipelineOptions shape(int producers, int consumers, int workers, int batch, int concurrent) {
  DecodePipelineOptions options;
  options.producers = producers;
  options.consumers = consumers;
  options.workers = workers;
  options.batch = batch;
  options.concurrent = concurrent;
  return options;
}

TEST(DecodePipeline, EachImageIsInOneBatch) {
  for (const auto& [producers, consumers, workers] : {std::tuple{1, 1, 0}, {3, 4, 0}, {0, 0, 1}, {0, 0, 5}, {2, 1, 2}})
    for (const bool alternate : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {} {} {}", producers, consumers, workers, alternate));
      DecodePipelineOptions options = shape(producers, consumers, workers, 7, 2);
      options.alternate = alternate;
      options.queued = 9;
      DecodePipeline pipeline(options);
      std::mutex mutex;
      std::multiset<std::int64_t> seen;
      std::atomic<int> at_once{0}, most{0};
      pipeline.run(numbers(200, {13, 199}), [&](std::vector<DecodedImage>& batch) {
        most = std::max<int>(most, ++at_once);
        EXPECT_LE(batch.size(), 7u);
        {
          const std::lock_guard lock(mutex);
          for (const DecodedImage& image : batch) seen.insert(image.index);
        }
        --at_once;
      });
      EXPECT_EQ(pipeline.error(), nullptr);
      EXPECT_LE(most, 2);
      std::multiset<std::int64_t> expected;
      for (std::int64_t i = 0; i < 199; ++i)
        if (i != 13) expected.insert(i);
      EXPECT_EQ(seen, expected);
    }
}

TEST(DecodePipeline, FixedSharesAreEvenWhateverTheNumbers) {
  DecodePipelineOptions options = shape(1, 4, 0, 1, 4);
  options.fixed_shares = true;
  DecodePipeline pipeline(options);
  std::mutex mutex;
  std::map<std::thread::id, int> of_consumer;
  pipeline.run(numbers(20), [&](std::vector<DecodedImage>& batch) {
    const std::lock_guard lock(mutex);
    of_consumer[std::this_thread::get_id()] += static_cast<int>(batch.size());
  });
  ASSERT_EQ(of_consumer.size(), 4u);
  for (const auto& [id, images] : of_consumer) EXPECT_EQ(images, 5);
}

TEST(DecodePipeline, NoMoreWaitThanMay) {
  DecodePipelineOptions options = shape(3, 1, 0, 4, 1);
  options.queued = 8;
  DecodePipeline pipeline(options);
  std::int64_t most = 0;
  pipeline.run(numbers(100), [&](std::vector<DecodedImage>&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    most = std::max(most, pipeline.fill().queued);
    EXPECT_EQ(pipeline.fill().room, 8);
  });
  EXPECT_LE(most, 8);
  EXPECT_GT(most, 0);
}

TEST(DecodePipeline, WhoAlternatesDecodesNothingBesideABatch) {
  DecodePipelineOptions options = shape(0, 0, 3, 4, 1);
  options.alternate = true;
  std::atomic<int> decoding{0};
  options.decoding = [&](int change) { decoding += change; };
  DecodePipeline pipeline(options);
  pipeline.run(numbers(50), [&](std::vector<DecodedImage>&) { EXPECT_EQ(decoding, 0); });
  EXPECT_EQ(decoding, 0);
}

TEST(DecodePipeline, TheSizeOfBatchesChangesWhileItRuns) {
  DecodePipeline pipeline(shape(0, 0, 2, 8, 2));
  std::mutex mutex;
  std::vector<std::size_t> sizes;
  pipeline.run(numbers(200), [&](std::vector<DecodedImage>& batch) {
    const std::lock_guard lock(mutex);
    sizes.push_back(batch.size());
    if (sizes.size() == 3) pipeline.set_taking(1, 16);
  });
  EXPECT_EQ(sizes.front(), 8u);
  EXPECT_EQ(*std::max_element(sizes.begin(), sizes.end()), 16u);
}

TEST(DecodePipeline, TheFirstFailureEndsIt) {
  for (const int where : {0, 1, 2}) {
    DecodePipeline pipeline(shape(2, 1, 1, 4, 2));
    std::int64_t n = 0;
    pipeline.run(
        [&]() -> DecodePipeline::Decode {
          if (where == 0 && n == 30) throw std::runtime_error("next");
          const std::int64_t i = n++;
          return [=](DecodedImage& image) {
            if (where == 1 && i == 30) throw std::runtime_error("decode");
            image = {i, Image(1, 1)};
            return true;
          };
        },
        [&](std::vector<DecodedImage>& batch) {
          if (where == 2 && batch.front().index > 30) throw std::runtime_error("batch");
        });
    ASSERT_NE(pipeline.error(), nullptr) << where;
    EXPECT_THROW(std::rethrow_exception(pipeline.error()), std::runtime_error);
  }
}

TEST(DecodePipeline, ASignalEndsItWithWhatIsBegun) {
  DecodePipeline pipeline(shape(1, 2, 1, 4, 3));
  std::atomic<int> batches{0};
  std::int64_t n = 0;
  pipeline.run(
      [&] {  // without an end
        return [i = n++](DecodedImage& image) {
          image = {i, Image(1, 1)};
          return true;
        };
      },
      [&](std::vector<DecodedImage>&) {
        if (++batches == 5) set_interrupted(true);
      });
  set_interrupted(false);
  EXPECT_EQ(pipeline.error(), nullptr);
  EXPECT_GE(batches, 5);
  EXPECT_LE(batches, 8);
}

}  // namespace
}  // namespace edgeclip
