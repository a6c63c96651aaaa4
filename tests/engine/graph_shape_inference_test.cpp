#include "engine/graph/shape_inference.h"

#include <gtest/gtest.h>

#include "engine/graph_support.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

using test::GraphMaker;

/// (batch, 3, 4) reshaped to (batch, 12) through Shape, Gather and Concat, as exporters write it.
struct ComputedReshape : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 3, 4}, {"batch", "", ""});
  ValueId shape = m.node("Shape", {x});
  ValueId batch = m.node("Gather", {shape, m.constant<std::int64_t>({}, {0})});
  ValueId list = m.node("Unsqueeze", {batch, m.constant<std::int64_t>({1}, {0})});
  ValueId target = m.node("Concat", {list, m.constant<std::int64_t>({1}, {-1})}, {{"axis", std::int64_t{0}}});
  ValueId y = m.node("Reshape", {x, target});
  ValueId z = m.node("Relu", {y});
  void SetUp() override { m.graph.outputs = {z}; }
};

TEST_F(ComputedReshape, ValuesThatFollowFromShapesAreComputed) {
  const auto facts = infer_shapes(m.graph, {{5, 3, 4}});
  EXPECT_EQ(facts[static_cast<std::size_t>(y)].shape, (Shape{5, 12}));
  ASSERT_TRUE(facts[static_cast<std::size_t>(target)].data);
  EXPECT_EQ(facts[static_cast<std::size_t>(target)].data->data<std::int64_t>()[0], 5);
  EXPECT_FALSE(facts[static_cast<std::size_t>(y)].data);
}

TEST_F(ComputedReshape, AnnotatesWhatDoesNotDependOnTheBatch) {
  annotate_shapes(m.graph);
  EXPECT_EQ(m.graph.value(y).shape, (Shape{-1, 12}));
  EXPECT_EQ(m.graph.value(shape).dtype, DType::i64);
  EXPECT_EQ(m.graph.value(shape).shape, (Shape{3}));
}

TEST_F(ComputedReshape, SameShapes) {
  const ShapeFacts facts(m.graph);
  EXPECT_TRUE(facts.same(y, z));
  EXPECT_FALSE(facts.same(x, y));
}

TEST(ShapeFacts, DifferentSymbolsAreNotTheSame) {
  GraphMaker m;
  const auto a = m.input("a", DType::f32, {-1, 4}, {"batch", ""});
  const auto b = m.input("b", DType::f32, {-1, 4}, {"batch", ""});
  const auto c = m.input("c", DType::f32, {-1, 4}, {"tokens", ""});
  const ShapeFacts facts(m.graph);
  EXPECT_TRUE(facts.same(a, b));
  EXPECT_FALSE(facts.same(a, c));
}

TEST(ShapeFacts, BroadcastingOverTheBatchIsSeen) {
  GraphMaker m;
  const auto a = m.input("a", DType::f32, {-1, 4}, {"batch", ""});
  const auto one = m.constant<float>({1, 4}, {1, 2, 3, 4});
  const auto sum = m.node("Add", {one, a});
  const ShapeFacts facts(m.graph);
  EXPECT_TRUE(facts.same(sum, a));
  EXPECT_FALSE(facts.same(sum, one));  // equal for a batch of 1 only
}

TEST(ShapeFacts, WhatFitsForSomeSizesOnlyIsNotRefused) {
  GraphMaker m;
  const auto a = m.input("a", DType::f32, {-1}, {"n"});
  const auto c = m.constant<float>({7}, std::vector<float>(7, 1));
  const auto sum = m.node("Add", {a, c});  // fits n = 1 and 7 only
  const auto y = m.node("Relu", {sum});
  annotate_shapes(m.graph);
  EXPECT_EQ(m.graph.value(y).shape, (Shape{7}));
  EXPECT_EQ(infer_shapes(m.graph, {{7}})[static_cast<std::size_t>(y)].shape, (Shape{7}));
}

TEST(ShapeFacts, ALargeStrideDoesNotMakeASizeConstant) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {1, 1, -1}, {"", "", "h"});
  const std::vector<std::int64_t> one = {1}, four = {4};
  const auto y = m.node("MaxPool", {x}, {{"kernel_shape", one}, {"strides", four}});
  const auto size = m.node("Shape", {y});
  annotate_shapes(m.graph);
  EXPECT_EQ(m.graph.value(y).shape, (Shape{1, 1, -1}));
  EXPECT_EQ(m.graph.value(size).shape, (Shape{3}));
  const auto same = m.constant<float>({1, 1, 1}, {1});
  EXPECT_FALSE(ShapeFacts(m.graph).same(y, same));
}

TEST(ShapeFacts, AWindowBehindALargeStrideIsNotRefused) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {1, 1, -1}, {"", "", "h"});
  const std::vector<std::int64_t> one = {1}, four = {4}, seven = {7};
  const auto small = m.node("MaxPool", {x}, {{"kernel_shape", one}, {"strides", four}});
  const auto y = m.node("AveragePool", {small}, {{"kernel_shape", seven}});
  EXPECT_EQ(infer_shapes(m.graph, {{1, 1, 40}})[static_cast<std::size_t>(y)].shape, (Shape{1, 1, 4}));
  EXPECT_NO_THROW(annotate_shapes(m.graph));
  EXPECT_EQ(m.graph.value(y).shape, (Shape{1, 1, -1}));
}

TEST(ShapeInference, RefusesWhatCannotFitWhateverTheBatch) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto w = m.constant<float>({4, 2}, std::vector<float>(8, 1));
  m.graph.outputs = {m.node("MatMul", {x, w})};
  const auto bad = m.node("MatMul", {w, w});
  m.graph.outputs.push_back(bad);
  const std::string message = test::invalid_input_of([&] { annotate_shapes(m.graph); });
  EXPECT_NE(message.find("n_MatMul1"), std::string::npos) << message;
  EXPECT_NE(message.find("2 against 4"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip::engine
