#include "builder/passes/dequantized.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/interpreter.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

const Node* dequantize_of(const GraphIndex& index, ValueId id) {
  const Node* node = index.producer(id);
  return node && node->is("DequantizeLinear") && node->int_or("block_size", 0) == 0 ? node : nullptr;
}

const Tensor* constant_input(const Graph& graph, const Node& node, std::size_t input) {
  if (!node.has_input(input)) return nullptr;
  const Value& value = graph.value(node.inputs[input]);
  return value.constant ? &*value.constant : nullptr;
}

/// The zero point, if it is one number of uint8 or int8, and left out if `dtype` (of what it belongs to) is.
std::optional<std::int64_t> one_zero_point(const Graph& graph, const Node& dequantize, DType dtype) {
  if (!dequantize.has_input(2))
    return dtype == DType::u8 || dtype == DType::i8 ? std::optional<std::int64_t>(0) : std::nullopt;
  const Tensor* zero = constant_input(graph, dequantize, 2);
  if (!zero || zero->elements() != 1) return {};
  if (zero->dtype() == DType::u8) return *zero->data<std::uint8_t>();
  if (zero->dtype() == DType::i8) return *zero->data<std::int8_t>();
  return {};
}

}  // namespace

std::optional<DequantizedActivation> dequantized_activation(const Graph& graph, const GraphIndex& index,
                                                            ValueId id) {
  const Node* node = dequantize_of(index, id);
  if (!node) return {};
  const Tensor* scale = constant_input(graph, *node, 1);
  const auto zero_point = one_zero_point(graph, *node, graph.value(node->inputs[0]).dtype);
  if (!scale || scale->dtype() != DType::f32 || scale->elements() != 1 || !zero_point ||
      graph.value(node->inputs[0]).is_constant())
    return {};
  const float value = *scale->data<float>();
  if (!(value > 0) || !std::isfinite(value)) return {};
  return DequantizedActivation{node->inputs[0], value, *zero_point};
}

std::optional<DequantizedWeights> dequantized_weights(const Graph& graph, const GraphIndex& index, ValueId id,
                                                      std::size_t axis) {
  const Node* node = dequantize_of(index, id);
  if (!node) return {};
  const Tensor *w = constant_input(graph, *node, 0), *scale = constant_input(graph, *node, 1);
  if (!w || !scale || w->dtype() != DType::i8 || scale->dtype() != DType::f32 || w->shape().size() <= axis)
    return {};
  if (node->has_input(2)) {
    const Tensor* zero = constant_input(graph, *node, 2);
    if (!zero || zero->dtype() != DType::i8) return {};
    const auto* z = zero->data<std::int8_t>();
    if (std::any_of(z, z + zero->elements(), [](std::int8_t v) { return v != 0; })) return {};
  }
  if (scale->elements() != 1) {
    const auto rank = static_cast<std::int64_t>(w->shape().size());
    std::int64_t along = node->int_or("axis", 1);
    if (along < 0) along += rank;
    if (along != static_cast<std::int64_t>(axis) || scale->shape() != Shape{w->shape()[axis]}) return {};
  }
  return DequantizedWeights{node->inputs[0], node->inputs[1], node};
}

ValueId channel_scales(Graph& graph, const DequantizedWeights& weights, std::int64_t channels) {
  const Tensor scale = *graph.value(weights.scale).constant;
  if (scale.shape() == Shape{channels}) return weights.scale;
  const std::vector<float> repeated(static_cast<std::size_t>(channels), *scale.data<float>());
  return graph.add_constant(graph.value(weights.scale).name + "/channels",
                            Tensor::from<float>({channels}, repeated));
}

ValueId constant_bias(Graph& graph, const GraphIndex& index, ValueId id, std::int64_t channels) {
  if (graph.value(id).is_constant()) {
    const Tensor& tensor = *graph.value(id).constant;
    return tensor.dtype() == DType::f32 && tensor.shape() == Shape{channels} ? id : kNoValue;
  }
  const Node* node = dequantize_of(index, id);
  if (!node) return kNoValue;
  Inputs inputs;
  for (std::size_t i = 0; i < node->inputs.size(); ++i) {
    const Tensor* constant = constant_input(graph, *node, i);
    if (!constant && node->has_input(i)) return kNoValue;
    inputs.push_back(constant ? constant->view() : TensorView());
  }
  if (inputs[0].shape != Shape{channels}) return kNoValue;
  std::vector<Tensor> bias = evaluate_node(*node, inputs);
  if (bias.size() != 1 || bias[0].dtype() != DType::f32) return kNoValue;
  return graph.add_constant(graph.value(id).name + "/constant", std::move(bias[0]));
}

}  // namespace edgeclip::builder
