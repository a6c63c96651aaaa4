// What hands int8 on from layer to layer.
#include "builder/passes/requantize.h"

#include "builder/int8_layers.h"

namespace edgeclip::builder {
namespace {

using namespace int8_layers;

/// Two products in a row, both quantized.
Graph chain(bool conv, std::vector<std::string> more_outputs = {}) {
  Layers m;
  ValueId y, z;
  if (conv) {
    y = m.fused("FusedConv", {m.x, m.weights({4, 4, 1})}, {{"activation", std::string("relu")}});
    z = m.node("Conv", {y, m.weights({2, 4, 1})});
  } else {
    y = m.fused("FusedMatMul", {m.x, m.weights({8, 8})}, {{"activation", std::string("relu")}});
    z = m.node("MatMul", {y, m.weights({8, 2})});
  }
  std::vector<ValueId> outputs = {z};
  if (!more_outputs.empty()) outputs.push_back(more_outputs[0] == "y" ? y : m.node("Neg", {y}));
  Graph graph = finished(m, outputs);
  LayerQuantization how;
  how.activations = {{"x", kScale}, {m.name(y), {0.03F, 0}}};
  EXPECT_EQ(quantize_layers(graph, how, "m.onnx"), 2);
  return graph;
}

TEST(Requantize, ChainsOfLayersHandOnInt8) {
  for (const bool conv : {false, true}) {
    const Graph before = chain(conv);
    Graph after = before;
    EXPECT_EQ(count_ops(after, "QuantizeLinear"), 2);
    EXPECT_EQ(requantize(after), 1);
    after.check();
    EXPECT_EQ(count_ops(after, "QuantizeLinear"), 1) << "only that of the input";
    const Node& first = after.nodes()[1];
    EXPECT_EQ(first.string_or("out_type", ""), "uint8");
    EXPECT_EQ(first.float_or("out_scale", 0), 0.03F);
    EXPECT_EQ(first.string_or("activation", ""), "relu");
    EXPECT_EQ(first.op, conv ? "QuantConv" : "QuantMatMul");
    EXPECT_EQ(first.name, before.nodes()[1].name);
    EXPECT_GT(ratio(run(before)[0], run(after)[0]), 60);
    EXPECT_EQ(requantize(after), 0);
  }
}

/// A block of a ResNet: what it gets is quantized once, for its first convolution and for its sum.
TEST(Requantize, WhatAConvolutionAddsIsTheBytesThatOthersRead) {
  for (const bool calibrated : {true, false}) {
    Layers m;
    const std::map<std::string, Attribute> relu = {{"activation", std::string("relu")}};
    const ValueId in = m.fused("FusedConv", {m.x, m.weights({4, 4, 1})}, relu);
    const ValueId inner = m.fused("FusedConv", {in, m.weights({4, 4, 1})}, relu);
    const ValueId sum = m.fused("FusedConv", {inner, m.weights({4, 4, 1}), kNoValue, in}, relu);
    const ValueId y = m.node("Conv", {sum, m.weights({2, 4, 1})});
    const Graph before = finished(m, {y});
    LayerQuantization how;
    how.activations = {{"x", kScale}, {m.name(inner), {0.02F, 0}}, {m.name(sum), {0.03F, 0}}};
    if (calibrated) how.activations[m.name(in)] = {0.02F, 3};
    Graph graph = before;
    ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), calibrated ? 4 : 3);
    graph.check();
    EXPECT_EQ(count_ops(graph, "QuantizeLinear"), calibrated ? 4 : 3);
    requantize(graph);
    graph.check();
    EXPECT_EQ(count_ops(graph, "QuantizeLinear"), calibrated ? 1 : 2);
    const auto adds = std::find_if(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
      return node.op == "QuantConv" && node.has_input(4);
    });
    ASSERT_NE(adds, graph.nodes().end());
    EXPECT_EQ(graph.value(adds->inputs[4]).dtype, calibrated ? DType::u8 : DType::f32);
    EXPECT_EQ(adds->attributes.count("residual_scale"), calibrated ? 1u : 0u);
    if (calibrated) {
      EXPECT_EQ(adds->int_or("residual_zero_point", 0), 3);
    }
    EXPECT_GT(ratio(run(before)[0], run(graph)[0]), 30);
  }
}

TEST(Requantize, GoesThroughWhatOnlyPicksOrMovesElements) {
  Layers m;
  const ValueId y = m.fused("FusedConv", {m.x, m.weights({4, 4, 1})}, {{"activation", std::string("relu")}});
  const ValueId pooled = m.node("MaxPool", {y},
                                {{"kernel_shape", std::vector<std::int64_t>{3}},
                                 {"pads", std::vector<std::int64_t>{1, 1}},
                                 {"strides", std::vector<std::int64_t>{2}}},
                                8);
  const ValueId flat = m.node("Reshape", {pooled, m.constant<std::int64_t>({2}, {0, 16})});
  const ValueId z = m.node("MatMul", {flat, m.weights({16, 3})});
  Graph graph = finished(m, {z});
  LayerQuantization how;
  how.activations = {{"x", kScale}, {m.name(flat), {0.02F, 7}}};
  ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), 2);
  const Tensor before = run(graph)[0];
  EXPECT_EQ(requantize(graph), 1);
  graph.check();
  EXPECT_EQ(count_ops(graph, "QuantizeLinear"), 1) << "only that of the input";
  EXPECT_EQ(graph.nodes().size(), 5u);
  EXPECT_EQ(graph.nodes()[1].int_or("out_zero_point", 0), 7);
  EXPECT_EQ(ratio(before, run(graph)[0]), ratio(before, before)) << "quantization is monotonous: to the bit";
}

TEST(Requantize, GoesThroughAConcatOfLayersAlone) {
  for (const bool alone : {true, false}) {
    Layers m;
    const auto branch = [&] {
      return m.fused("FusedConv", {m.x, m.weights({4, 4, 1})}, {{"activation", std::string("relu")}});
    };
    const ValueId left = branch(), right = alone ? branch() : m.node("Relu", {m.x});
    const ValueId both = m.node("Concat", {left, right}, {{"axis", std::int64_t{1}}});
    Graph graph = finished(m, {m.node("Conv", {both, m.weights({2, 8, 1})})});
    LayerQuantization how;
    how.activations = {{"x", kScale}, {m.name(both), {0.02F, 0}}};
    ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), alone ? 3 : 2);
    const Tensor before = run(graph)[0];
    EXPECT_EQ(requantize(graph), alone ? 1 : 0);
    graph.check();
    EXPECT_EQ(count_ops(graph, "QuantizeLinear"), alone ? 1 : 2);
    EXPECT_EQ(ratio(before, run(graph)[0]), ratio(before, before));
  }
}

TEST(Requantize, RefusesAPoolWithIndices) {
  Layers m;
  const ValueId y = m.fused("FusedConv", {m.x, m.weights({4, 4, 1})});
  const ValueId pooled = m.node("MaxPool", {y}, {{"kernel_shape", std::vector<std::int64_t>{2}}});
  Value indices;
  indices.name = "indices";
  m.graph.nodes().back().outputs.push_back(m.graph.add_value(indices));
  const ValueId other = m.graph.nodes().back().outputs[1];
  Graph graph = finished(m, {m.node("Conv", {pooled, m.weights({2, 4, 1})}), other});
  LayerQuantization how;
  how.activations = {{"x", kScale}, {m.name(pooled), {0.02F, 0}}};
  ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), 2);
  EXPECT_EQ(requantize(graph), 0);
}

TEST(Requantize, KeepsWhatOthersRead) {
  for (const char* reader : {"y", "Neg"}) {
    Graph graph = chain(false, {reader});
    EXPECT_EQ(requantize(graph), 0) << reader;
    EXPECT_EQ(count_ops(graph, "QuantizeLinear"), 2);
  }
}

TEST(Requantize, RefusesAScalePerChannelAndOtherTypes) {
  for (const bool axis : {true, false}) {
    Layers m;
    const ValueId y = m.node("MatMul", {m.x, m.weights({8, 2})});
    Graph graph = finished(m, {y});
    LayerQuantization how;
    how.activations["x"] = kScale;
    ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), 1);
    const ValueId product = graph.outputs[0];
    Value value;
    value.name = "q";
    Node quantize;
    quantize.op = "QuantizeLinear";
    quantize.opset = 21;
    const auto constant = [&](Tensor tensor) {
      return graph.add_constant("c" + std::to_string(graph.value_count()), std::move(tensor));
    };
    quantize.inputs = axis ? std::vector<ValueId>{product, constant(Tensor::from<float>({2}, {0.1F, 0.2F})),
                                                  constant(Tensor::from<std::uint8_t>({2}, {0, 0}))}
                           : std::vector<ValueId>{product, constant(Tensor::from<float>({}, {0.1F})),
                                                  constant(Tensor::from<std::uint16_t>({}, {0}))};
    if (axis) quantize.attributes["axis"] = std::int64_t{2};
    quantize.outputs = {graph.add_value(value)};
    graph.outputs = quantize.outputs;
    graph.add_node(std::move(quantize));
    EXPECT_EQ(requantize(graph), 0);
  }
}

}  // namespace
}  // namespace edgeclip::builder
