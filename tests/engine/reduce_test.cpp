#include <gtest/gtest.h>

#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();

TEST(ReduceLogSumExp, DoesNotOverflow) {
  const auto y = [](const std::vector<float>& x) {
    return elements_of<float>(
        run_node("ReduceLogSumExp", {floats({static_cast<std::int64_t>(x.size())}, x)})[0])[0];
  };
  EXPECT_NEAR(y({1000, 1000}), 1000.6931F, 1e-3);
  EXPECT_NEAR(y({-1000, -kFloatInfinity}), -1000, 1e-3);
  EXPECT_EQ(y({-kFloatInfinity, -kFloatInfinity}), -kFloatInfinity);
  EXPECT_EQ(y({1, kFloatInfinity}), kFloatInfinity);
  EXPECT_EQ(y({}), -kFloatInfinity);
}

TEST(CumProd, ExclusiveAndReverse) {
  const auto run = [](std::int64_t exclusive, std::int64_t reverse) {
    return elements_of<float>(run_node("CumProd", {floats({3}, {1, 2, 3}), longs({}, {0})},
                                       {{"exclusive", exclusive}, {"reverse", reverse}})[0]);
  };
  EXPECT_EQ(run(0, 0), (std::vector<float>{1, 2, 6}));
  EXPECT_EQ(run(1, 0), (std::vector<float>{1, 1, 2}));
  EXPECT_EQ(run(1, 1), (std::vector<float>{6, 3, 1}));
  refusal_of([&] { run_node("CumProd", {floats({1}, {1}), longs({}, {1})}); });
  unsupported_of([&] { run_node("ReduceLogSum", {longs({1}, {1})}); });
}

}  // namespace
}  // namespace edgeclip::engine
