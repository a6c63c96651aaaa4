// The normalizations: what their versions differ in, edge cases, and what their shape rules refuse.
#include <gtest/gtest.h>

#include <limits>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

TEST(GroupNormalization, ScalesBelongToGroupsThenToChannels) {
  const Tensor x = Tensor::from<float>({1, 4, 1}, {-1, 1, -2, 2});
  const test::Attributes attributes = {{"num_groups", std::int64_t{2}}, {"epsilon", 0.0F}};
  const auto by_group = run_node("GroupNormalization", 18, attributes,
                                 {x, Tensor::from<float>({2}, {1, 10}), Tensor::from<float>({2}, {0, 1})});
  EXPECT_EQ(elements_of<float>(by_group[0]), (std::vector<float>{-1, 1, -9, 11}));
  const auto by_channel =
      run_node("GroupNormalization", 21, attributes,
               {x, Tensor::from<float>({4}, {1, 2, 3, 4}), Tensor::from<float>({4}, {0, 0, 0, 1})});
  EXPECT_EQ(elements_of<float>(by_channel[0]), (std::vector<float>{-1, 2, -3, 5}));
  EXPECT_NE(refusal_of("GroupNormalization", 18, attributes, {{1, 4, 1}, {4}, {4}}), "");
  EXPECT_NE(refusal_of("GroupNormalization", 21, attributes, {{1, 4, 1}, {2}, {2}}), "");
  for (const std::int64_t groups : {0, -2, 3})
    EXPECT_NE(refusal_of("GroupNormalization", 21, {{"num_groups", groups}}, {{1, 4, 1}, {4}, {4}}), "");
}

TEST(BatchNormalization, StatisticsOfEachElementInOldVersions) {
  const test::Attributes attributes = {{"spatial", std::int64_t{0}}, {"epsilon", 0.0F}};
  const auto each = [](const std::vector<float>& values) { return Tensor::from<float>({1, 2}, values); };
  const auto y = run_node(
      "BatchNormalization", 7, attributes,
      {Tensor::from<float>({2, 1, 2}, {1, 2, 3, 4}), each({1, 2}), each({0, 1}), each({1, 2}), each({1, 4})});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{0, 1, 2, 3}));
  const std::vector<Shape> channel(4, Shape{3});
  std::vector<Shape> shapes = {{2, 3, 4}};
  shapes.insert(shapes.end(), channel.begin(), channel.end());
  EXPECT_EQ(refusal_of("BatchNormalization", 8, {}, shapes), "");
  EXPECT_NE(refusal_of("BatchNormalization", 8, {{"spatial", std::int64_t{0}}}, shapes), "");
  EXPECT_NE(refusal_of("BatchNormalization", 9, {{"spatial", std::int64_t{1}}}, shapes), "");
  EXPECT_EQ(refusal_of("BatchNormalization", 6, {{"is_test", std::int64_t{1}}}, shapes), "");
  EXPECT_NE(refusal_of("BatchNormalization", 6, {}, shapes), "");  // it would train
}

TEST(RMSNormalization, DividesByTheRootOfTheMeanSquare) {
  const auto y = run_node("RMSNormalization", 23, {{"epsilon", 0.0F}},
                          {Tensor::from<float>({1, 2}, {1, 7}), Tensor::from<float>({2}, {5, 10})});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{1, 14}));
  EXPECT_NE(refusal_of("RMSNormalization", 22, {}, {{1, 2}, {2}}), "");
  EXPECT_NE(refusal_of("RMSNormalization", 23, {}, {{1, 2}, {3}}), "");
}

TEST(LpNormalization, ZerosStayZeros) {
  const auto y = run_node("LpNormalization", 1, {}, {Tensor::from<float>({2, 2}, {0, 0, 3, 4})});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{0, 0, 0.6F, 0.8F}));
  EXPECT_NE(refusal_of("LpNormalization", 1, {{"p", std::int64_t{3}}}, {{2, 2}}), "");
  EXPECT_NE(refusal_of("LpNormalization", 1, {}, {{}}), "");
}

TEST(MeanVarianceNormalization, AxesMustBeThere) {
  EXPECT_NE(refusal_of("MeanVarianceNormalization", 9, {}, {{2, 3}}), "");  // 0, 2, 3 unless they are given
  EXPECT_EQ(refusal_of("MeanVarianceNormalization", 9, {{"axes", Ints{1}}}, {{2, 3}}), "");
  const auto empty = run_node("MeanVarianceNormalization", 9, {{"axes", Ints{0}}},
                              {Tensor(DType::f32, {0, std::int64_t{1} << 40})});
  EXPECT_EQ(empty[0].elements(), 0);
}

TEST(LRN, ItsSizeMayExceedTheChannels) {
  const Tensor x = Tensor::from<float>({1, 2, 1}, {1, 2});
  const auto run = [&](std::int64_t size) {
    return elements_of<float>(
        run_node("LRN", 13, {{"size", size}, {"alpha", static_cast<float>(size)}, {"beta", 1.0F}}, {x})[0]);
  };
  EXPECT_EQ(run(1), (std::vector<float>{0.5F, 0.4F}));
  EXPECT_EQ(run(2), (std::vector<float>{1.0F / 6, 0.4F}));
  EXPECT_EQ(run(3), (std::vector<float>{1.0F / 6, 1.0F / 3}));
  EXPECT_EQ(run(std::numeric_limits<std::int64_t>::max()), run(3));
  EXPECT_NE(refusal_of("LRN", 13, {{"size", std::int64_t{0}}}, {{1, 2, 1}}), "");
  EXPECT_NE(refusal_of("LRN", 13, {{"size", std::int64_t{1}}}, {{2}}), "");
}

}  // namespace
}  // namespace edgeclip::engine
