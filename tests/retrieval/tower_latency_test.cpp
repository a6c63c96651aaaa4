#include "retrieval/evaluate/tower_latency.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(TowerLatency, TimesEverySizeOfBothTowers) {
  test::FakeEncoder encoder;
  const Tensor pixels(DType::f32, {4, 3, 8, 4});
  const Json ms = tower_latency(encoder, pixels.view(), {"red", "blue green grey"}, {1, 4});
  ASSERT_EQ(ms.size(), 2u);
  for (const char* batch : {"1", "4"})
    for (const char* tower : {"image", "text"}) EXPECT_GT(ms.at(batch).at(tower).get<double>(), 0) << batch << tower;
  // In turn, and each shape once before it is timed.
  const std::vector<std::int64_t> seen = encoder.batches;
  ASSERT_EQ(seen.size(), 60u);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 30);
  EXPECT_EQ(seen[0], 1);
  EXPECT_EQ(seen[1], 4);
  EXPECT_EQ(seen[2], 1);
}

TEST(TowerLatency, RefusesBatchesThatTheModelDoesNotTake) {
  test::FakeEncoder encoder;
  encoder.largest_batch = 2;
  const Tensor pixels(DType::f32, {4, 3, 8, 4});
  EXPECT_NE(test::invalid_input_of([&] { tower_latency(encoder, pixels.view(), {"red"}, {1, 4}); }).find("batch: 4 is not within 1..2"),
            std::string::npos);
}

TEST(TowerLatency, IsInterrupted) {
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 3;
  const Tensor pixels(DType::f32, {1, 3, 8, 4});
  EXPECT_THROW(tower_latency(encoder, pixels.view(), {"red"}, {1}), Interrupted);
  set_interrupted(false);
}

}  // namespace
}  // namespace edgeclip
