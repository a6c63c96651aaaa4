#include "engine/graph/graph.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/graph_support.h"

namespace edgeclip::engine {
namespace {

using test::GraphMaker;

TEST(Graph, ProducersAndConsumers) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2});
  const auto a = m.node("Relu", {x});
  const auto b = m.node("Add", {a, a});
  m.graph.outputs = {b};
  EXPECT_FALSE(m.graph.producer(x));
  EXPECT_EQ(m.graph.producer(b), 1U);
  EXPECT_EQ(m.graph.consumers(a), std::vector<std::size_t>{1});
  EXPECT_TRUE(m.graph.is_output(b));
  EXPECT_FALSE(m.graph.is_output(a));
  m.graph.check();
}

TEST(Graph, InsertsBeforeAPosition) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2});
  const auto a = m.node("Relu", {x});
  m.graph.outputs = {a};
  Node node;
  node.op = "Neg";
  node.inputs = {x};
  node.outputs = {m.graph.add_value({})};
  m.graph.add_node(node, 0);
  EXPECT_EQ(m.graph.nodes()[0].op, "Neg");
  m.graph.check();
}

TEST(Graph, RemoveDeadKeepsInputsAndWhatIsRead) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2});
  const auto unused = m.input("unused", DType::f32, {2});
  m.node("Exp", {unused});
  const auto c = m.scalar(1);
  m.scalar(2);
  const auto y = m.node("Add", {x, c});
  m.graph.outputs = {y};
  m.graph.remove_dead();
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.value_count(), 4U);  // x, unused, c, y
  ASSERT_EQ(m.graph.inputs.size(), 2U);
  EXPECT_EQ(m.graph.value(m.graph.inputs[1]).name, "unused");
  EXPECT_TRUE(m.graph.value(m.graph.nodes()[0].inputs[1]).is_constant());
  m.graph.check();
}

TEST(Graph, ReplaceUsesReachesOutputs) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2});
  const auto a = m.node("Identity", {x});
  const auto b = m.node("Relu", {a});
  m.graph.outputs = {a, b};
  m.graph.replace_uses(a, x);
  EXPECT_EQ(m.graph.outputs[0], x);
  EXPECT_EQ(m.graph.nodes()[1].inputs[0], x);
}

TEST(Graph, CheckFindsBrokenPromises) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2});
  const auto a = m.node("Relu", {x});
  m.node("Exp", {a});
  std::swap(m.graph.nodes()[0], m.graph.nodes()[1]);
  EXPECT_THROW(m.graph.check(), InternalError);
  std::swap(m.graph.nodes()[0], m.graph.nodes()[1]);
  m.graph.nodes()[1].outputs = {a};
  EXPECT_THROW(m.graph.check(), InternalError);
  m.graph.nodes()[1].outputs = {99};
  EXPECT_THROW(m.graph.check(), InternalError);
}

TEST(Graph, AttributesAreTyped) {
  Node node;
  node.attributes = {{"axis", std::int64_t{3}},
                     {"alpha", 0.5F},
                     {"mode", std::string("linear")},
                     {"axes", std::vector<std::int64_t>{1, 2}}};
  EXPECT_EQ(node.int_or("axis", 0), 3);
  EXPECT_EQ(node.int_or("other", 7), 7);
  EXPECT_EQ(node.float_or("alpha", 0), 0.5F);
  EXPECT_EQ(node.string_or("mode", ""), "linear");
  EXPECT_EQ(node.ints_or("axes", {}), (std::vector<std::int64_t>{1, 2}));
  EXPECT_THROW(node.float_or("axis", 0), InternalError);
}

}  // namespace
}  // namespace edgeclip::engine
