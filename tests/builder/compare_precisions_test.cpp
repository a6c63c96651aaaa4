// Two graphs of one model, value by value.
#include "builder/compare_precisions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "builder/passes/passes.h"
#include "builder/precision/apply_precision.h"
#include "engine/small_graphs.h"
#include "support/support.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
namespace small = engine::test;

Graph optimized_block() {
  Graph graph = small::transformer_block(48, 4);
  optimize(graph);
  return graph;
}

PrecisionComparison compare(Graph reference, Graph other, const Tensor& x, double limit = kSqnrLimitDb) {
  CompareOptions options;
  options.sqnr_limit_db = limit;
  return compare_precisions(std::move(reference), std::move(other), {x.view()}, options);
}

const ComparedValue& last_of(const PrecisionComparison& comparison) { return comparison.values.back(); }

TEST(ComparePrecisions, OfAGraphWithItselfFindsNothing) {
  const PrecisionComparison comparison =
      compare(optimized_block(), optimized_block(), small::random_floats({2, 5, 48}, 1), 300);
  EXPECT_GT(comparison.values.size(), 5u);
  EXPECT_TRUE(comparison.not_compared.empty());
  for (const ComparedValue& one : comparison.values)
    EXPECT_TRUE(one.equal && !one.below && !one.sqnr_db) << one.value;
  const Json json = to_json(comparison);
  EXPECT_TRUE(json["passed"].get<bool>());
  EXPECT_TRUE(json["first_below"].is_null());
  EXPECT_EQ(json["compared"], comparison.values.size());
}

TEST(ComparePrecisions, OfHalfTheBitsIsWithinTheLimitAndSaysSo) {
  const Tensor x = small::random_floats({2, 5, 48}, 1);
  Graph narrow = optimized_block();
  apply_precision(narrow, "bf16");
  const PrecisionComparison comparison = compare(optimized_block(), narrow, x);
  EXPECT_FALSE(comparison.first_below);
  // bfloat16 keeps 8 bits: some 6.02 * 8 dB, and a rounding or two on the way.
  EXPECT_GT(last_of(comparison).sqnr_db.value(), 35);
  EXPECT_LT(last_of(comparison).sqnr_db.value(), 75);
  EXPECT_EQ(last_of(comparison).precision, "bf16");
  // Asked for more than bfloat16 has, the first product is named, after the norm before it, which is equal.
  const PrecisionComparison strict = compare(optimized_block(), narrow, x, 120);
  ASSERT_TRUE(strict.first_below);
  EXPECT_EQ(strict.values[*strict.first_below].op, "FusedMatMul");
  EXPECT_TRUE(strict.values.front().equal);
  EXPECT_EQ(to_json(strict)["first_below"], strict.values[*strict.first_below].layer);
}

/// x ─► Relu ─► Mul by `scale` ─► Sigmoid ─► Tanh
Graph chain(float scale) {
  small::GraphWriter g("chain");
  const ValueId x = g.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const ValueId scaled = g.node("Mul", {g.node("Relu", {x}), g.constant(Tensor::from<float>({}, {scale}))});
  return g.finish({g.node("Tanh", {g.node("Sigmoid", {scaled})})});
}

TEST(ComparePrecisions, NamesTheFirstLayerAndMeasuresItsNoise) {
  const Tensor x = Tensor::from<float>({1, 4}, {1, 2, 3, 4});
  const PrecisionComparison comparison = compare(chain(1), chain(1.5f), x);
  ASSERT_EQ(comparison.values.size(), 4u);
  EXPECT_TRUE(comparison.values[0].equal);
  ASSERT_EQ(comparison.first_below, std::size_t{1});
  EXPECT_EQ(comparison.values[1].layer, "Mul_1");
  EXPECT_EQ(comparison.values[1].value, "Mul_1_out");
  EXPECT_NEAR(comparison.values[1].sqnr_db.value(), 20 * std::log10(2.0), 1e-5) << "noise of half the signal";
  EXPECT_FALSE(compare(chain(1), chain(1.5f), x, 6).first_below);
}

TEST(ComparePrecisions, WhatIsNotFiniteOnOneSideIsBelowAnyLimit) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>({1, 4}, {1, 2, 3, 4});
  const PrecisionComparison comparison = compare(chain(1), chain(inf), x, -1000);
  ASSERT_EQ(comparison.first_below, std::size_t{1});
  EXPECT_FALSE(comparison.values[1].sqnr_db);
  EXPECT_FALSE(comparison.values[1].equal);
  const Tensor odd = Tensor::from<float>({1, 4}, {NAN, inf, 3, 4});
  EXPECT_FALSE(compare(chain(1), chain(1), odd, 300).first_below) << "the same on both sides";
}

/// A convolution of one pixel, which writes channels last, or the same as an Einsum, which does not.
Graph pointwise(bool conv) {
  small::GraphWriter g("pointwise");
  const ValueId x = g.input("x", DType::f32, {2, 3, 4, 5}, {"", "", "", ""});
  const Tensor w = small::random_floats({6, 3}, 7);
  Tensor filters(DType::f32, {6, 3, 1, 1});
  std::copy_n(w.data<float>(), w.elements(), filters.data<float>());
  const ValueId y = conv ? g.node("Conv", {x, g.constant(filters)})
                         : g.node("Einsum", {x, g.constant(w)}, {{"equation", std::string("nchw,mc->nmhw")}});
  Graph graph = g.finish({g.node("Relu", {g.node("Sigmoid", {y})})});
  for (std::size_t i = 0; i < 3; ++i)
    graph.value(graph.nodes()[i].outputs[0]).name = "value " + std::to_string(i);
  return graph;
}

TEST(ComparePrecisions, ComparesElementsNotPlaces) {
  const PrecisionComparison comparison =
      compare(pointwise(true), pointwise(false), small::random_floats({2, 3, 4, 5}, 1), 100);
  EXPECT_EQ(comparison.values.size(), 3u);
  EXPECT_FALSE(comparison.first_below) << to_json(comparison).dump(1);
}

TEST(ComparePrecisions, ListsWhatOneSideLacksAndRefusesAnotherModel) {
  Graph renamed = chain(1);
  renamed.value(renamed.nodes()[2].outputs[0]).name = "other";
  const Tensor x = small::random_floats({1, 4}, 1);
  const PrecisionComparison comparison = compare(chain(1), renamed, x);
  EXPECT_EQ(comparison.not_compared, std::vector<std::string>{"Sigmoid_2_out"});
  EXPECT_EQ(comparison.values.size(), 3u);
  Graph foreign = chain(1);
  foreign.value(foreign.inputs[0]).name = "y";
  EXPECT_NE(edgeclip::test::invalid_input_of([&] { compare(chain(1), foreign, x); }).find("inputs x and y"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip::builder
