#include <gtest/gtest.h>

#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using namespace test;

TEST(TopK, EqualValuesComeInTheOrderOfTheirIndices) {
  const auto y = run_node("TopK", {floats({5}, {1, 3, 3, 0, 3}), longs({1}, {3})}, {}, 11, 2);
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{3, 3, 3}));
  EXPECT_EQ(elements_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{1, 2, 4}));
}

TEST(TopK, SmallestAlongAnAxisAndAsAnAttribute) {
  const auto x = floats({2, 2}, {4, 1, 3, 2});
  const auto y = run_node("TopK", {x, longs({1}, {1})},
                          {{"axis", std::int64_t{0}}, {"largest", std::int64_t{0}}}, 24, 2);
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{3, 1}));
  EXPECT_EQ(elements_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(elements_of<float>(run_node("TopK", {x}, {{"k", std::int64_t{1}}}, 9)[0]),
            (std::vector<float>{4, 3}));
}

TEST(TopK, ANotANumberIsTheLargest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto y = run_node("TopK", {floats({4}, {1, nan, 2, nan}), longs({1}, {4})}, {}, 24, 2);
  EXPECT_EQ(elements_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{1, 3, 2, 0}));
}

TEST(TopK, Refusals) {
  const auto x = floats({3}, {1, 2, 3});
  EXPECT_NE(refusal_of([&] { run_node("TopK", {x, longs({1}, {4})}); }).find("k is 4"), std::string::npos);
  EXPECT_NE(refusal_of([&] { run_node("TopK", {x, longs({1}, {-1})}); }).find("k is -1"), std::string::npos);
  refusal_of([&] { run_node("TopK", {x, longs({2}, {1, 1})}); });
  refusal_of([&] { run_node("TopK", {x, longs({1}, {1})}, {{"axis", std::int64_t{1}}}); });
  EXPECT_THROW(infer_shape("TopK", {{DType::f32, {3}}, {DType::i64, {1}}}), DependsOnData);
}

}  // namespace
}  // namespace edgeclip::engine
