// The memory planner: properties that any placement must have, and the sharing that makes it worth having.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "engine/runtime/memory_planner.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

bool meet(const BufferLife& a, const BufferLife& b) { return a.first <= b.last && b.first <= a.last; }

/// Most bytes alive at one step: no plan can be smaller.
std::int64_t lower_bound(const std::vector<BufferLife>& buffers) {
  std::int64_t most = 0;
  for (const auto& at : buffers) {
    std::int64_t alive = 0;
    for (const auto& b : buffers)
      if (b.first <= at.first && at.first <= b.last) alive += b.bytes;
    most = std::max(most, alive);
  }
  return most;
}

void expect_sound(const std::vector<BufferLife>& buffers, const MemoryPlan& plan) {
  ASSERT_EQ(plan.offsets.size(), buffers.size());
  EXPECT_EQ(plan.total % kArenaAlignment, 0);
  EXPECT_GE(plan.total, lower_bound(buffers));
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % kArenaAlignment, 0);
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + buffers[i].bytes, plan.total);
    for (std::size_t j = 0; j < i; ++j) {
      if (!meet(buffers[i], buffers[j]) || buffers[i].bytes == 0 || buffers[j].bytes == 0) continue;
      const bool apart = plan.offsets[i] + buffers[i].bytes <= plan.offsets[j] ||
                         plan.offsets[j] + buffers[j].bytes <= plan.offsets[i];
      EXPECT_TRUE(apart) << "buffers " << i << " and " << j << " overlap";
    }
  }
}

TEST(MemoryPlanner, BuffersOfOneStepNeverOverlap) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::vector<BufferLife> buffers;
    for (std::int64_t n = rng.below(60); n >= 0; --n) {
      const int first = rng.range(0, 30);
      buffers.push_back({rng.chance(0.1) ? 0 : rng.below(5000), first, first + rng.range(0, 6)});
    }
    SCOPED_TRACE(seed);
    expect_sound(buffers, plan_memory(buffers));
  }
}

TEST(MemoryPlanner, ChainNeedsTwoBuffers) {
  std::vector<BufferLife> chain;
  for (int step = 0; step < 50; ++step) chain.push_back({1024, step, step + 1});
  EXPECT_EQ(plan_memory(chain).total, 2 * 1024);
}

TEST(MemoryPlanner, SmallBufferGoesIntoTheSmallestGap) {
  // While `small` lives, so do the others; the freed ones leave a gap of 256 and one of 128.
  const std::vector<BufferLife> buffers = {{1024, 0, 9}, {256, 0, 1}, {512, 0, 9},
                                           {128, 0, 1},  {384, 0, 9}, {100, 5, 6}};
  const MemoryPlan plan = plan_memory(buffers);
  expect_sound(buffers, plan);
  EXPECT_EQ(plan.total, plan_memory({buffers.begin(), buffers.end() - 1}).total);
}

TEST(MemoryPlanner, NothingToPlace) {
  EXPECT_EQ(plan_memory({}).total, 0);
  EXPECT_EQ(plan_memory({{0, 0, 3}}).total, 0);
}

}  // namespace
}  // namespace edgeclip::engine
