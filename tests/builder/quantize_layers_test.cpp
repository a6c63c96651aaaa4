// Layers of an optimized graph in int8.
#include "builder/int8_layers.h"
#include "builder/quantize/quantizable_layers.h"
#include "builder/quantize/quantize_graph.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {
namespace {

using namespace int8_layers;

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

}  // namespace
}  // namespace edgeclip::builder
