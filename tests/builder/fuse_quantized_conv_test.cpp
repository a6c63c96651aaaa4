#include "builder/passes/fuse_quantized_conv.h"

#include <gtest/gtest.h>

#include "builder/passes/passes.h"
#include "builder/rewrite_support.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
/// x (batch, 4, 6), convolutions in Q/DQ form.
struct Quantized : GraphMaker {
  ValueId x = input("x", DType::f32, {-1, 4, 6}, {"batch", "", ""});

  template <class T = std::uint8_t>
  ValueId pair(ValueId v, T zero_point = 120) {
    const ValueId q = node("QuantizeLinear", {v, scalar(0.03F), constant<T>({}, {zero_point})});
    return node("DequantizeLinear", {q, scalar(0.03F), constant<T>({}, {zero_point})});
  }
  ValueId weights(const Shape& shape, std::int64_t axis = 0, bool per_channel = true) {
    Tensor w(DType::i8, shape);
    for (std::int64_t i = 0; i < w.elements(); ++i)
      w.data<std::int8_t>()[i] = static_cast<std::int8_t>((i * 37) % 255 - 127);
    const ValueId id = graph.add_constant("w" + std::to_string(graph.value_count()), w);
    if (!per_channel) return node("DequantizeLinear", {id, scalar(0.01F)});
    Tensor scales = ramp({shape[static_cast<std::size_t>(axis)]}, 0.002F);
    for (std::int64_t i = 0; i < scales.elements(); ++i) scales.data<float>()[i] += 0.01F;
    const ValueId scale = graph.add_constant("s" + std::to_string(graph.value_count()), scales);
    const ValueId zero =
        graph.add_constant("z" + std::to_string(graph.value_count()), Tensor(DType::i8, scales.shape()));
    return node("DequantizeLinear", {id, scale, zero}, {{"axis", axis}});
  }
  ValueId conv(ValueId v, std::int64_t out, ValueId bias = kNoValue) {
    std::vector<ValueId> inputs = {v, weights({out, 4, 3})};
    if (bias != kNoValue) inputs.push_back(bias);
    return node("Conv", inputs, {{"pads", std::vector<std::int64_t>{1, 1}}});
  }
  /// int32 behind a DequantizeLinear, as exporters write it.
  ValueId int_bias(std::int64_t channels) {
    Tensor bias(DType::i32, {channels}), scale(DType::f32, {channels});
    for (std::int64_t i = 0; i < channels; ++i) {
      bias.data<std::int32_t>()[i] = static_cast<std::int32_t>(500 * i - 700);
      scale.data<float>()[i] = 1e-3F * static_cast<float>(i + 1);
    }
    return node("DequantizeLinear", {graph.add_constant("ib", bias), graph.add_constant("is", scale)},
                {{"axis", std::int64_t{0}}});
  }
};

const std::vector<Shape> kShapes = {{3, 4, 6}};

TEST(FuseQuantizedConv, TakesInBiasResidualAndActivation) {
  for (const bool integers : {false, true}) {
    Quantized m;
    const ValueId bias = integers ? m.int_bias(4) : m.graph.add_constant("b", ramp({4}));
    const ValueId y = m.conv(m.pair(m.x), 4, bias);
    EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {m.node("LeakyRelu", {m.node("Add", {m.x, y})})}, kShapes),
              3);
    EXPECT_EQ(m.graph.nodes().size(), 2u);
    const Node& fused = m.graph.nodes().back();
    EXPECT_EQ(fused.op, "QuantConv");
    EXPECT_EQ(fused.string_or("activation", ""), "leaky_relu");
    EXPECT_EQ(fused.ints_or("pads", {}), (std::vector<std::int64_t>{1, 1}));
    EXPECT_EQ(fused.inputs.size(), 5u);
  }
}

TEST(FuseQuantizedConv, AddsTheBytesBehindADequantizeLinear) {
  Quantized m;
  const ValueId added = m.pair(m.x);
  const ValueId y = m.conv(added, 4);
  EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {m.node("Add", {y, added})}, kShapes), 2);
  const Node& fused = m.graph.nodes().back();
  ASSERT_EQ(fused.op, "QuantConv");
  EXPECT_EQ(fused.inputs[4], fused.inputs[0]);
  EXPECT_EQ(fused.float_or("residual_scale", 0), fused.float_or("x_scale", 1));
  EXPECT_EQ(fused.int_or("residual_zero_point", -1), fused.int_or("x_zero_point", 0));
}

TEST(FuseQuantizedConv, TakesSignedActivationsAndOneScale) {
  Quantized m;
  const ValueId w = m.weights({5, 4, 1}, 0, false);
  EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {m.node("Conv", {m.pair<std::int8_t>(m.x, -7), w})}, kShapes),
            1);
  EXPECT_EQ(m.graph.nodes().back().int_or("x_zero_point", 0), -7);
}

TEST(FuseQuantizedConv, StopsBehindTheActivation) {
  Quantized m;
  const ValueId y = m.node("Relu", {m.conv(m.pair(m.x), 4)});
  EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {m.node("Add", {y, m.x})}, kShapes), 2);
  EXPECT_EQ(count_ops(m.graph, "Add"), 1);
}

TEST(FuseQuantizedConv, KeepsWhatOthersRead) {
  Quantized m;
  const ValueId y = m.conv(m.pair(m.x), 4);
  EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {y, m.node("Relu", {y})}, kShapes), 1);
  EXPECT_EQ(count_ops(m.graph, "Relu"), 1);
}

TEST(FuseQuantizedConv, RefusesOtherForms) {
  const auto expect_left = [](Quantized& m, ValueId y) {
    EXPECT_EQ(rewrites_of(m, fuse_quantized_conv, {y}, kShapes), 0);
    EXPECT_EQ(count_ops(m.graph, "Conv"), 1);
  };
  Quantized axis;  // a scale per input channel
  expect_left(axis, axis.node("Conv", {axis.pair(axis.x), axis.weights({4, 4, 1}, 1)}));
  Quantized floats;  // float32 weights
  expect_left(floats,
              floats.node("Conv", {floats.pair(floats.x), floats.graph.add_constant("w", ramp({4, 4, 1}))}));
  Quantized activations;  // float32 activations
  expect_left(activations, activations.conv(activations.x, 4));
  Quantized shifted;  // weights with a zero point
  const ValueId w =
      shifted.node("DequantizeLinear", {shifted.graph.add_constant("w", Tensor(DType::i8, {4, 4, 1})),
                                        shifted.scalar(0.1F), shifted.constant<std::int8_t>({}, {3})});
  expect_left(shifted, shifted.node("Conv", {shifted.pair(shifted.x), w}));
  Quantized computed;  // a bias that is computed
  const ValueId bias = computed.node(
      "ReduceMax", {computed.x}, {{"axes", std::vector<std::int64_t>{0, 2}}, {"keepdims", std::int64_t{0}}});
  expect_left(computed, computed.conv(computed.pair(computed.x), 4, bias));
}

TEST(FuseQuantizedConv, IsOneOfThePasses) {
  Quantized m;
  const ValueId y = m.node("Relu", {m.conv(m.pair(m.x), 4, m.int_bias(4))});
  rewrites_of(
      m, [](Graph& graph) { return static_cast<int>(optimize(graph).size()); }, {y}, kShapes);
  EXPECT_EQ(count_ops(m.graph, "QuantConv"), 1);
  EXPECT_EQ(m.graph.nodes().size(), 2u);
}

}  // namespace
}  // namespace edgeclip::builder
