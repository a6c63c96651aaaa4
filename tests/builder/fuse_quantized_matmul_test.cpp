#include "builder/passes/fuse_quantized_matmul.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "engine/graph/shape_inference.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// A graph under construction: x (batch, 3, 8) float32.
struct Builder {
  Graph graph;
  Rng rng{11};
  ValueId x;

  Builder() {
    Value input;
    input.name = "x";
    input.shape = Shape{-1, 3, 8};
    input.symbols = {"batch", "", ""};
    x = graph.add_value(input);
    graph.inputs = {x};
  }

  ValueId node(const std::string& op, std::vector<ValueId> inputs,
               std::map<std::string, Attribute> attributes = {}, const std::string& domain = "") {
    Value out;
    out.name = op + std::to_string(graph.value_count());
    Node n;
    n.name = "node_" + out.name;
    n.op = op;
    n.domain = domain;
    n.opset = domain.empty() ? 17 : 1;
    n.inputs = std::move(inputs);
    n.attributes = std::move(attributes);
    n.outputs = {graph.add_value(out)};
    const ValueId id = n.outputs[0];
    graph.add_node(std::move(n));
    return id;
  }
  ValueId constant(const Tensor& t) {
    return graph.add_constant("c" + std::to_string(graph.value_count()), t);
  }
  ValueId floats(const Shape& shape) {
    Tensor t(DType::f32, shape);
    for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
    return constant(t);
  }
  template <class T>
  ValueId scalar(T value) {
    return constant(Tensor::from<T>({}, {value}));
  }

  ValueId quantized(ValueId v) {
    return node("QuantizeLinear", {v, scalar(0.03f), scalar<std::uint8_t>(120)});
  }
  ValueId dequantized(ValueId q) {
    return node("DequantizeLinear", {q, scalar(0.03f), scalar<std::uint8_t>(120)});
  }
  ValueId weights(std::int64_t rows, std::int64_t columns, bool per_column = true, std::int64_t axis = 1) {
    Tensor w(DType::i8, {rows, columns});
    for (std::int64_t i = 0; i < w.elements(); ++i)
      w.data<std::int8_t>()[i] = static_cast<std::int8_t>(rng.range(-127, 127));
    if (!per_column) return node("DequantizeLinear", {constant(w), scalar(0.01f)});
    Tensor scales(DType::f32, {axis == 1 ? columns : rows});
    for (std::int64_t i = 0; i < scales.elements(); ++i)
      scales.data<float>()[i] = static_cast<float>(rng.uniform(0.01, 0.02));
    return node("DequantizeLinear",
                {constant(w), constant(scales), constant(Tensor(DType::i8, scales.shape()))},
                {{"axis", axis}});
  }
  ValueId product(ValueId v, std::int64_t rows, std::int64_t columns) {
    return node("MatMul", {dequantized(quantized(v)), weights(rows, columns)});
  }
};

int count(const Graph& graph, const std::string& op) {
  return static_cast<int>(
      std::count_if(graph.nodes().begin(), graph.nodes().end(), [&](const Node& n) { return n.op == op; }));
}

const Node& only(const Graph& graph, const std::string& op) {
  EXPECT_EQ(count(graph, op), 1);
  return *std::find_if(graph.nodes().begin(), graph.nodes().end(), [&](const Node& n) { return n.op == op; });
}

/// Fuses, and checks that the graph computes what it did.  Returns the number of rewrites.
int fuse_and_compare(Graph& graph) {
  SessionOptions reference;
  reference.reference = true;
  const Session before(graph, reference);
  const int rewrites = fuse_quantized_matmul(graph);
  graph.check();
  const Session after(graph, {});
  Rng rng(2);
  for (const std::int64_t batch : {1, 4}) {
    Tensor x(DType::f32, {batch, 3, 8});
    for (std::int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] = static_cast<float>(rng.normal());
    Context one(before), two(after);
    const auto expected = one.run({x.view()}), actual = two.run({x.view()});
    EXPECT_EQ(expected.size(), actual.size());
    for (std::size_t o = 0; o < expected.size(); ++o) {
      EXPECT_EQ(expected[o].shape(), actual[o].shape());
      for (std::int64_t i = 0; i < expected[o].elements(); ++i)
        EXPECT_NEAR(expected[o].data<float>()[i], actual[o].data<float>()[i], 2e-5)
            << "output " << o << " at " << i;
    }
  }
  return rewrites;
}

TEST(FuseQuantizedMatMul, TakesInBiasActivationAndResidual) {
  for (const char* activation : {"Gelu", "QuickGelu", "Relu"}) {
    Builder b;
    ValueId y = b.node("Add", {b.product(b.x, 8, 8), b.floats({8})});
    y = b.node(activation, {y}, {}, std::string(activation) == "Relu" ? "" : "edgeclip");
    y = b.node("Add", {b.x, y});
    b.graph.outputs = {y};
    const std::string name = b.graph.nodes().back().name;
    EXPECT_EQ(fuse_and_compare(b.graph), 4);
    EXPECT_EQ(b.graph.nodes().size(), 2u);  // QuantizeLinear and this:
    const Node& fused = only(b.graph, "QuantMatMul");
    EXPECT_EQ(fused.name, name);
    EXPECT_NE(fused.inputs.at(3), kNoValue);
    EXPECT_EQ(fused.inputs.at(4), b.graph.inputs[0]);
  }
}

TEST(FuseQuantizedMatMul, BiasMayComeFirstAndScaleMayBeOne) {
  Builder b;
  const ValueId y = b.node("MatMul", {b.dequantized(b.quantized(b.x)), b.weights(8, 5, false)});
  b.graph.outputs = {b.node("Add", {b.floats({5}), y})};
  EXPECT_EQ(fuse_and_compare(b.graph), 2);
  EXPECT_EQ(b.graph.nodes().size(), 2u);
}

TEST(FuseQuantizedMatMul, ProductsOfOneActivationShareItsQuantization) {
  Builder b;
  const ValueId a = b.dequantized(b.quantized(b.x));
  for (int i = 0; i < 3; ++i) b.graph.outputs.push_back(b.node("MatMul", {a, b.weights(8, 4)}));
  EXPECT_EQ(fuse_and_compare(b.graph), 3);
  EXPECT_EQ(count(b.graph, "QuantizeLinear"), 1);
  EXPECT_EQ(count(b.graph, "DequantizeLinear"), 0);
}

TEST(FuseQuantizedMatMul, KeepsWhatOthersRead) {
  Builder b;
  const ValueId y = b.product(b.x, 8, 8), biased = b.node("Add", {y, b.floats({8})});
  b.graph.outputs = {y, biased};  // the product itself is an output: its bias stays outside
  EXPECT_EQ(fuse_and_compare(b.graph), 1);
  EXPECT_EQ(count(b.graph, "Add"), 1);

  Builder two;
  const ValueId z = two.product(two.x, 8, 8);
  two.graph.outputs = {two.node("Relu", {z}), two.node("Add", {z, two.x})};
  EXPECT_EQ(fuse_and_compare(two.graph), 1);
  EXPECT_EQ(count(two.graph, "Relu"), 1);

  Builder doubled;
  const ValueId d = doubled.product(doubled.x, 8, 8);
  doubled.graph.outputs = {doubled.node("Add", {d, d})};
  EXPECT_EQ(fuse_and_compare(doubled.graph), 1);
  EXPECT_EQ(count(doubled.graph, "Add"), 1);
}

TEST(FuseQuantizedMatMul, TakesInNothingBehindTheResidual) {
  Builder b;
  const ValueId y = b.node("Add", {b.product(b.x, 8, 8), b.x});
  b.graph.outputs = {b.node("Relu", {b.node("Add", {y, b.floats({8})})})};
  EXPECT_EQ(fuse_and_compare(b.graph), 2);
  EXPECT_EQ(count(b.graph, "Add"), 1);
  EXPECT_EQ(count(b.graph, "Relu"), 1);
}

TEST(FuseQuantizedMatMul, RefusesABroadcastResidual) {
  Builder b;
  const ValueId row =
      b.node("ReduceMax", {b.x}, {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{1}}});
  b.graph.outputs = {b.node("Add", {b.product(b.x, 8, 8), row})};
  EXPECT_EQ(fuse_and_compare(b.graph), 1);
  EXPECT_EQ(count(b.graph, "Add"), 1);
  // A table added to every item is a constant, but no bias.
  Builder table;
  table.graph.outputs = {table.node("Add", {table.product(table.x, 8, 8), table.floats({3, 8})})};
  EXPECT_EQ(fuse_and_compare(table.graph), 1);
  EXPECT_EQ(count(table.graph, "Add"), 1);
}

TEST(FuseQuantizedMatMul, TakesSignedActivations) {
  for (const bool stated : {true, false}) {  // left out: 0
    Builder b;
    std::vector<ValueId> scale = {b.scalar(0.03f), b.scalar<std::int8_t>(stated ? 3 : 0)};
    const ValueId q = b.node("QuantizeLinear", {b.x, scale[0], scale[1]});
    b.graph.value(q).dtype = DType::i8;
    if (!stated) scale.pop_back();
    scale.insert(scale.begin(), q);
    b.graph.outputs = {b.node("MatMul", {b.node("DequantizeLinear", scale), b.weights(8, 4)})};
    EXPECT_EQ(fuse_and_compare(b.graph), 1);
    EXPECT_EQ(b.graph.nodes().size(), 2u);
    EXPECT_EQ(only(b.graph, "QuantMatMul").int_or("a_zero_point", 9), stated ? 3 : 0);
  }
}

TEST(FuseQuantizedMatMul, TakesGemmWithItsBias) {
  for (const bool transposed : {false, true}) {
    Builder b;
    const ValueId rows = b.node("Reshape", {b.x, b.constant(Tensor::from<std::int64_t>({2}, {-1, 8}))});
    const ValueId w = transposed ? b.weights(5, 8, true, 0) : b.weights(8, 5);
    Tensor integers = Tensor::from<std::int32_t>({5}, {-900, 0, 17, 400, 80});
    const ValueId bias = b.node("DequantizeLinear", {b.constant(integers), b.scalar(0.002f)});
    b.graph.outputs = {b.node("Gemm",
                              {b.dequantized(b.quantized(rows)), w, transposed ? bias : b.floats({5})},
                              {{"transB", std::int64_t{transposed}}})};
    EXPECT_EQ(fuse_and_compare(b.graph), 1);
    EXPECT_EQ(count(b.graph, "DequantizeLinear"), 0);
    EXPECT_NE(only(b.graph, "QuantMatMul").inputs.at(3), kNoValue);
  }
  for (const char* factor : {"alpha", "beta"}) {
    Builder b;
    const ValueId rows = b.node("Reshape", {b.x, b.constant(Tensor::from<std::int64_t>({2}, {-1, 8}))});
    b.graph.outputs = {
        b.node("Gemm", {b.dequantized(b.quantized(rows)), b.weights(8, 5), b.floats({5})}, {{factor, 2.0f}})};
    EXPECT_EQ(fuse_and_compare(b.graph), 0) << factor;
  }
}

TEST(FuseQuantizedMatMul, RefusesOtherFormsOfQuantization) {
  {  // a scale per row of the weights
    Builder b;
    b.graph.outputs = {b.node("MatMul", {b.dequantized(b.quantized(b.x)), b.weights(8, 4, true, 0)})};
    EXPECT_EQ(fuse_and_compare(b.graph), 0);
  }
  {  // weights with a zero point
    Builder b;
    const ValueId w = b.node("DequantizeLinear", {b.constant(Tensor(DType::i8, {8, 4})), b.scalar(0.1f),
                                                  b.scalar<std::int8_t>(5)});
    b.graph.outputs = {b.node("MatMul", {b.dequantized(b.quantized(b.x)), w})};
    EXPECT_EQ(fuse_and_compare(b.graph), 0);
  }
  {  // float32 weights, and a float32 activation
    Builder b;
    b.graph.outputs = {b.node("MatMul", {b.dequantized(b.quantized(b.x)), b.floats({8, 4})}),
                       b.node("MatMul", {b.x, b.weights(8, 4)})};
    EXPECT_EQ(fuse_and_compare(b.graph), 0);
  }
}

TEST(FuseQuantizedMatMul, FindsNothingTwice) {
  Builder b;
  b.graph.outputs = {b.node("Add", {b.product(b.x, 8, 8), b.x})};
  EXPECT_EQ(fuse_quantized_matmul(b.graph), 2);
  EXPECT_EQ(fuse_quantized_matmul(b.graph), 0);
}

}  // namespace
}  // namespace edgeclip::builder
