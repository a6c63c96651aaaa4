// Layers of an optimized graph in int8, and what hands int8 on.
#include "builder/quantize/quantize_layers.h"

#include <gtest/gtest.h>

#include "builder/passes/requantize.h"
#include "builder/quantize/quantizable_layers.h"
#include "builder/quantize/quantize_graph.h"
#include "builder/rewrite_support.h"
#include "engine/runtime/session.h"
#include "support/support.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
/// x (batch, 4, 8) and layers behind it.
struct Layers : RewriteMaker {
  ValueId x = input("x", DType::f32, {-1, 4, 8}, {"batch", "", ""});

  ValueId weights(const Shape& shape, float size = 0.5F) { return RewriteMaker::weights(shape, size); }
  const std::string& name(ValueId id) const { return graph.value(id).name; }
};

/// -2 .. 2, a step of 1/64
constexpr ActivationScale kScale{4.0F / 255, 128};

std::vector<Tensor> run(const Graph& graph, const Shape& shape = {3, 4, 8}) {
  const Tensor x = ramp(shape);
  return run_reference(graph, {x.view()});
}

/// 10 log10(sum want^2 / sum (want - got)^2)
double ratio(const Tensor& want, const Tensor& got) {
  EXPECT_EQ(want.shape(), got.shape());
  double signal = 0, noise = 1e-30;
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    const double y = static_cast<double>(want.data<float>()[i]),
                 e = y - static_cast<double>(got.data<float>()[i]);
    signal += y * y;
    noise += e * e;
  }
  return 10 * std::log10(signal / noise);
}

/// Outputs set, shapes annotated.
Graph finished(Layers& m, std::vector<ValueId> outputs) {
  m.graph.outputs = std::move(outputs);
  annotate_shapes(m.graph);
  return m.graph;
}

TEST(QuantizeLayers, MakesOneQuantizationOfASharedActivationAndItsWeights) {
  Layers m;
  const ValueId w = m.weights({8, 8}), bias = m.weights({8});
  const ValueId q = m.node("MatMul", {m.x, w}),
                k = m.fused("FusedMatMul", {m.x, w, bias, m.x}, {{"activation", std::string("gelu")}});
  const Graph before = finished(m, {q, k});
  LayerQuantization how;
  how.activations["x"] = kScale;
  Graph after = before;
  EXPECT_EQ(quantize_layers(after, how, "m.onnx"), 2);
  after.check();
  EXPECT_EQ(count_ops(after, "QuantizeLinear"), 1);
  EXPECT_EQ(count_ops(after, "QuantMatMul"), 2);
  EXPECT_EQ(after.nodes().size(), 3u);
  EXPECT_EQ(after.nodes()[1].inputs[1], after.nodes()[2].inputs[1]) << "one int8 matrix for both";
  EXPECT_EQ(after.nodes()[2].string_or("activation", ""), "gelu");
  EXPECT_EQ(after.nodes()[2].inputs.size(), 5u);
  for (std::size_t i = 0; i < after.value_count(); ++i) {
    const Value& value = after.value(static_cast<ValueId>(i));
    EXPECT_FALSE(value.is_constant() && value.constant->shape() == Shape({8, 8}) && value.dtype == DType::f32)
        << "float32 weights stay in the plan";
  }
  const auto want = run(before), got = run(after);
  EXPECT_GT(ratio(want[0], got[0]), 35);
  EXPECT_GT(ratio(want[1], got[1]), 35);
}

TEST(QuantizeLayers, PatchesHaveAScaleEachThoughTheRestIsCalibrated) {
  // Rows that were only moved, and what is computed from them.
  Layers m;
  const ValueId turned = m.node("Transpose", {m.x}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
  const ValueId first = m.node("MatMul", {turned, m.weights({4, 6})});
  const ValueId second = m.node("MatMul", {m.node("Relu", {first}), m.weights({6, 6})});
  Graph after = finished(m, {second, m.node("MatMul", {m.x, m.weights({8, 3})})});
  GraphQuantization how;
  how.options.exclude.clear();
  how.ranges.emplace();
  for (const Node& node : after.nodes()) (*how.ranges)[after.value(node.outputs[0]).name].scale = kScale;
  (*how.ranges)["x"].scale = kScale;
  EXPECT_EQ(quantize_graph(after, how).layers, 3);
  after.check();
  EXPECT_EQ(count_ops(after, "QuantizeRows"), 1);
  EXPECT_EQ(count_ops(after, "QuantizeLinear"), 2);
  for (const Node& node : after.nodes()) {
    if (node.op == "QuantizeRows") {
      EXPECT_EQ(after.value(node.inputs[0]).name, m.name(turned));
    }
  }
}

TEST(QuantizeLayers, QuantizesRowsWhereNothingWasCalibrated) {
  Layers m;
  const ValueId y = m.node("MatMul", {m.x, m.weights({8, 5})}),
                z = m.node("MatMul", {m.x, m.weights({8, 3})});
  const Graph before = finished(m, {y, z});
  Graph left = before;
  EXPECT_EQ(quantize_layers(left, {}, "m.onnx"), 0);
  LayerQuantization how;
  how.per_row = true;
  Graph after = before;
  EXPECT_EQ(quantize_layers(after, how, "m.onnx"), 2);
  after.check();
  EXPECT_EQ(count_ops(after, "QuantizeRows"), 1);
  EXPECT_EQ(count_ops(after, "QuantMatMul"), 2);
  const auto want = run(before), got = run(after);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_GT(ratio(want[i], got[i]), 35);
}

/// A symmetric range would spend half of its steps on what does not occur.
TEST(QuantizeLayers, RowsBehindAOneSidedFunctionHaveAZeroPoint) {
  LayerQuantization how;
  how.per_row = true;
  const auto affine = [&](const std::string& op, const std::map<std::string, Attribute>& attributes) {
    Layers m;
    const ValueId y = m.fused(op, {m.x}, attributes), z = m.node("MatMul", {y, m.weights({8, 5})});
    if (op != "Gelu") m.graph.nodes()[0].domain.clear();
    Graph graph = finished(m, {z});
    EXPECT_EQ(quantize_layers(graph, how, "m.onnx"), 1);
    graph.check();
    EXPECT_EQ(count_ops(graph, "QuantizeRows") + count_ops(graph, "AffineQuantizeRows"), 1);
    return count_ops(graph, "AffineQuantizeRows");
  };
  EXPECT_EQ(affine("Gelu", {}), 1);
  EXPECT_EQ(affine("Relu", {}), 1);
  EXPECT_EQ(affine("Sigmoid", {}), 1);
  EXPECT_EQ(affine("Tanh", {}), 0);
  EXPECT_EQ(affine("LeakyRelu", {{"alpha", 0.2F}}), 0);

  // in a product, whether it became int8 before or stays
  for (const bool residual : {false, true}) {
    for (const bool first_stays : {false, true}) {
      Layers m;
      const ValueId y = m.fused("FusedMatMul", {m.x, m.weights({8, 8}), m.weights({8}), residual ? m.x : kNoValue},
                                {{"activation", std::string("quick_gelu")}});
      const ValueId z = m.fused("FusedMatMul", {y, m.weights({8, 5}), m.weights({5})});
      const Graph before = finished(m, {z});
      Graph graph = before;
      how.stay.clear();
      if (first_stays) how.stay.insert(quantizable_layers(graph, {}).at(0).key);
      EXPECT_EQ(quantize_layers(graph, how, "m.onnx"), first_stays ? 1 : 2);
      graph.check();
      EXPECT_EQ(count_ops(graph, "AffineQuantizeRows"), residual ? 0 : 1);
      EXPECT_GT(ratio(run(before)[0], run(graph)[0]), 35);
    }
  }
}

TEST(QuantizeLayers, ARowAloneIsARowOfABatchToTheBit) {
  Layers m;
  const ValueId y = m.fused("FusedMatMul", {m.x, m.weights({8, 48}), m.weights({48})},
                            {{"activation", std::string("gelu")}});
  Graph graph = finished(m, {m.fused("FusedMatMul", {y, m.weights({48, 8}), m.weights({8}), m.x})});
  LayerQuantization how;
  how.per_row = true;
  ASSERT_EQ(quantize_layers(graph, how, "m.onnx"), 2);
  Tensor x = ramp({8, 4, 8});
  for (std::int64_t i = 0; i < 32; ++i) x.data<float>()[3 * 32 + i] *= 50;  // one item louder than the others
  SessionOptions reference;
  reference.reference = true;
  for (const SessionOptions& options : {SessionOptions(), reference}) {
    const Session session(graph, options);
    Context context(session);
    const Tensor all = context.run({x.view()})[0];
    for (std::int64_t b = 0; b < 8; ++b) {
      Tensor one(DType::f32, {1, 4, 8});
      std::copy_n(x.data<float>() + b * 32, 32, one.data<float>());
      const Tensor alone = context.run({one.view()})[0];
      for (std::int64_t i = 0; i < 32; ++i)
        EXPECT_EQ(alone.data<float>()[i], all.data<float>()[b * 32 + i]) << b << " " << i;
    }
  }
}

TEST(QuantizeLayers, TakesConvolutionsWithAScalePerChannel) {
  Layers m;
  const ValueId w = m.weights({6, 2, 3});
  for (std::int64_t i = 0; i < 6; ++i)  // channels of different sizes: one scale for all would lose the small
    for (std::int64_t k = 0; k < 6; ++k)
      m.graph.value(w).constant->data<float>()[i * 6 + k] *= std::pow(10.0F, static_cast<float>(-i));
  const ValueId y = m.fused("FusedConv", {m.x, w},
                            {{"group", std::int64_t{2}},
                             {"pads", std::vector<std::int64_t>{1, 1}},
                             {"activation", std::string("leaky_relu")},
                             {"activation_alpha", 0.5F}});
  const Graph before = finished(m, {y});
  LayerQuantization how;
  how.per_row = true;
  Graph left = before;
  EXPECT_EQ(quantize_layers(left, how, "m.onnx"), 0) << "a convolution has no rows";
  how.activations["x"] = kScale;
  Graph after = before;
  EXPECT_EQ(quantize_layers(after, how, "m.onnx"), 1);
  after.check();
  EXPECT_EQ(count_ops(after, "QuantConv"), 1);
  const Tensor want = run(before)[0], got = run(after)[0];
  for (std::int64_t channel = 0; channel < 6; ++channel) {
    Tensor a(DType::f32, {24}), b(DType::f32, {24});
    for (std::int64_t n = 0; n < 3; ++n) {
      std::copy_n(want.data<float>() + (n * 6 + channel) * 8, 8, a.data<float>() + n * 8);
      std::copy_n(got.data<float>() + (n * 6 + channel) * 8, 8, b.data<float>() + n * 8);
    }
    EXPECT_GT(ratio(a, b), 25) << channel;
  }
}

TEST(QuantizeLayers, LeavesTheRestAlone) {
  Layers m;
  const ValueId excluded = m.node("MatMul", {m.x, m.graph.add_constant("visual_projection.w", ramp({8, 2}))});
  const ValueId stays = m.node("MatMul", {m.x, m.weights({8, 2})});
  const ValueId attention =
      m.node("MatMul", {m.x, m.node("Transpose", {m.x}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}})});
  const ValueId stacked = m.node("MatMul", {m.x, m.weights({1, 8, 2})});
  Graph graph = finished(m, {excluded, stays, attention, stacked});
  LayerQuantization how;
  how.activations["x"] = kScale;
  how.per_row = true;
  how.exclude = {"nothing", "_projection"};
  how.stay = {m.name(stays)};
  EXPECT_EQ(quantizable_layers(graph).size(), 2u);
  EXPECT_EQ(quantize_layers(graph, how, "m.onnx"), 0);
  EXPECT_EQ(count_ops(graph, "QuantizeLinear"), 0);
  // By the name of an ONNX node that a fused one stands for.
  graph.nodes()[1].origins = {"/layer/first/MatMul"};
  how.stay.clear();
  how.exclude = {"first/", "_projection"};
  EXPECT_EQ(quantize_layers(graph, how, "m.onnx"), 0);
}

TEST(QuantizeLayers, RefusesWeightsThatAreNotFinite) {
  Layers m;
  const ValueId w = m.weights({8, 2});
  m.graph.value(w).constant->data<float>()[3] = INFINITY;
  Graph graph = finished(m, {m.node("MatMul", {m.x, w})});
  LayerQuantization how;
  how.per_row = true;
  const std::string text = test::invalid_input_of([&] { quantize_layers(graph, how, "m.onnx"); });
  EXPECT_NE(text.find("m.onnx: weights \"" + graph.value(w).name), std::string::npos) << text;
}

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
