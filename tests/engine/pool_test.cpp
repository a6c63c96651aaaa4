// The pools: numbers by hand, and what their shape rules refuse.
#include <gtest/gtest.h>

#include "engine/node_support.h"

namespace edgeclip::engine {
namespace {

using test::elements_of;
using test::Ints;
using test::refusal_of;
using test::run_node;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

TEST(MaxPool, IndicesInBothStorageOrders) {
  const Tensor x = Tensor::from<float>({1, 2, 2, 3}, {1, 2, 6, 4, 5, 3, 0, 0, 1, 2, 0, 0});
  const auto indices = [&](std::int64_t order) {
    return elements_of<std::int64_t>(
        run_node("MaxPool", 8, {{"kernel_shape", Ints{1, 3}}, {"storage_order", order}}, {x}, 2)[1]);
  };
  EXPECT_EQ(indices(0), (Ints{2, 4, 8, 9}));
  EXPECT_EQ(indices(1), (Ints{4, 3, 10, 7}));
}

TEST(AveragePool, PaddingCountsIfItIsAskedTo) {
  const Tensor x = Tensor::from<float>({1, 1, 3}, {3, 6, 9});
  const auto run = [&](std::int64_t with_pads, std::int64_t ceil) {
    return elements_of<float>(run_node("AveragePool", 11,
                                       {{"kernel_shape", Ints{2}},
                                        {"strides", Ints{2}},
                                        {"pads", Ints{1, 1}},
                                        {"ceil_mode", ceil},
                                        {"count_include_pad", with_pads}},
                                       {x})[0]);
  };
  EXPECT_EQ(run(0, 0), (std::vector<float>{3, 7.5F}));
  EXPECT_EQ(run(1, 0), (std::vector<float>{1.5F, 7.5F}));
  EXPECT_EQ(run(1, 1), run(1, 0));  // a window that starts in the padding behind is none
  // what ceil_mode reaches beyond the padding does not count
  const auto beyond = run_node("AveragePool", 11,
                               {{"kernel_shape", Ints{3}},
                                {"strides", Ints{2}},
                                {"ceil_mode", std::int64_t{1}},
                                {"pads", Ints{1, 0}},
                                {"count_include_pad", std::int64_t{1}}},
                               {Tensor::from<float>({1, 1, 5}, {3, 6, 9, 12, 16})});
  EXPECT_EQ(elements_of<float>(beyond[0]), (std::vector<float>{3, 9, 14}));
}

TEST(LpPool, SumsPowers) {
  const Tensor x = Tensor::from<float>({1, 1, 3}, {3, -4, 12});
  const auto y = run_node(
      "LpPool", 18, {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", std::int64_t{1}}}, {x});
  EXPECT_EQ(elements_of<float>(y[0]), (std::vector<float>{5, 12}));
  EXPECT_EQ(elements_of<float>(run_node("GlobalLpPool", 2, {}, {x})[0]), (std::vector<float>{13}));
  EXPECT_EQ(elements_of<float>(run_node("GlobalLpPool", 2, {{"p", std::int64_t{1}}}, {x})[0]),
            (std::vector<float>{19}));
}

TEST(PoolShape, RefusesWhatOverflows) {
  const std::vector<Shape> shapes = {{1, 1, 8, 8}};
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) {
    EXPECT_EQ(refusal_of(op, 19, {{"kernel_shape", Ints{2, 2}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{kHuge, 2}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{2}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{0, 2}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{kHuge, 1}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{0, 1}}}, shapes), "");
    EXPECT_NE(refusal_of(op, 19, {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{2, 0, 0, 0}}}, shapes), "");
    const std::int64_t wide = std::int64_t{1} << 39, pad = wide - 1;
    EXPECT_NE(
        refusal_of(op, 19, {{"kernel_shape", Ints{wide, wide}}, {"pads", Ints{pad, pad, pad, pad}}}, shapes),
        "");
  }
  EXPECT_NE(refusal_of("LpPool", 18, {{"kernel_shape", Ints{2, 2}}, {"p", std::int64_t{0}}}, shapes), "");
  EXPECT_NE(refusal_of("GlobalLpPool", 18, {{"p", std::int64_t{-1}}}, shapes), "");
  EXPECT_NE(
      refusal_of("MaxPool", 19, {{"kernel_shape", Ints{2, 2}}, {"storage_order", std::int64_t{2}}}, shapes),
      "");
}

/// Only what lies inside the input is looked at.
TEST(PoolShape, AKernelFarBeyondItsInputTakesNoTime) {
  const std::int64_t wide = std::int64_t{1} << 39, pad = wide - 1;
  const Tensor x = Tensor::from<float>({1, 1, 3}, {3, 9, 6});
  const test::Attributes attributes = {
      {"kernel_shape", Ints{wide}}, {"pads", Ints{pad, pad}}, {"strides", Ints{wide}}};
  EXPECT_EQ(elements_of<float>(run_node("MaxPool", 19, attributes, {x})[0]), (std::vector<float>{3, 9}));
  EXPECT_EQ(elements_of<float>(run_node("AveragePool", 19, attributes, {x})[0]),
            (std::vector<float>{3, 7.5F}));
}

}  // namespace
}  // namespace edgeclip::engine
