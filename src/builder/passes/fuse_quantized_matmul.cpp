#include "builder/passes/fuse_quantized_matmul.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "builder/passes/activation_by.h"
#include "engine/graph/shape_inference.h"

// x ─► QuantizeLinear ─► DequantizeLinear ─► MatMul ─► y    ⇒    x ─► QuantizeLinear ─► QuantMatMul ─► y
//                 W int8 ─► DequantizeLinear ─►┘                                 W int8 ─►┘
//
// and then, one after the other, what reads y alone:
//   y ─► Add(bias (N))   y ─► Gelu | QuickGelu | Relu   y ─► Add(residual of the same shape)
//
// QuantizeLinear stays a node of its own: products of one activation (q, k, v) share it.
// Refuses if the activation is not uint8 with one constant scale and zero point; if W is not a constant int8
// matrix with zero point 0 and one scale, or one per column; in the second step if y is a graph output or has
// other readers.
namespace edgeclip::builder {

using namespace engine;
namespace {

const Tensor* constant_of(const Graph& graph, const Node& node, std::size_t input) {
  if (input >= node.inputs.size() || node.inputs[input] == kNoValue) return nullptr;
  const Value& value = graph.value(node.inputs[input]);
  return value.constant ? &*value.constant : nullptr;
}

bool left_out(const Node& node, std::size_t input) {
  return input >= node.inputs.size() || node.inputs[input] == kNoValue;
}

struct QuantizedInput {
  ValueId quantized;
  float scale;
  std::int64_t zero_point;
};

std::optional<QuantizedInput> match_activation(const Graph& graph, const Node& dequantize) {
  const Tensor *scale = constant_of(graph, dequantize, 1), *zero_point = constant_of(graph, dequantize, 2);
  if (!scale || !zero_point || scale->dtype() != DType::f32 || zero_point->dtype() != DType::u8) return {};
  if (scale->elements() != 1 || zero_point->elements() != 1) return {};
  if (!(*scale->data<float>() > 0)) return {};
  return QuantizedInput{dequantize.inputs[0], *scale->data<float>(), *zero_point->data<std::uint8_t>()};
}

struct Weights {
  ValueId quantized;
  ValueId scale;       ///< one per column, or kNoValue:
  float common_scale;  ///< one for all
};

std::optional<Weights> match_weights(const Graph& graph, const Node& dequantize) {
  const Tensor *w = constant_of(graph, dequantize, 0), *scale = constant_of(graph, dequantize, 1);
  if (!w || !scale || w->dtype() != DType::i8 || w->shape().size() != 2 || scale->dtype() != DType::f32)
    return {};
  if (!left_out(dequantize, 2)) {
    const Tensor* zero_point = constant_of(graph, dequantize, 2);
    if (!zero_point || zero_point->dtype() != DType::i8) return {};
    const auto* z = zero_point->data<std::int8_t>();
    if (std::any_of(z, z + zero_point->elements(), [](std::int8_t v) { return v != 0; })) return {};
  }
  if (scale->elements() == 1) return Weights{dequantize.inputs[0], kNoValue, *scale->data<float>()};
  const std::int64_t axis = dequantize.int_or("axis", 1);
  if ((axis != 1 && axis != -1) || scale->shape() != Shape{w->dim(1)}) return {};
  return Weights{dequantize.inputs[0], dequantize.inputs[1], 0};
}

int fuse_products(Graph& graph) {
  std::vector<std::optional<std::size_t>> producers(graph.value_count());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    for (const ValueId id : graph.nodes()[i].outputs)
      if (id != kNoValue) producers[static_cast<std::size_t>(id)] = i;
  const auto dequantize = [&](ValueId id) -> const Node* {
    if (id == kNoValue || !producers.at(static_cast<std::size_t>(id))) return nullptr;
    const Node& node = graph.nodes()[*producers[static_cast<std::size_t>(id)]];
    return node.is("DequantizeLinear") ? &node : nullptr;
  };

  int rewrites = 0;
  for (Node& node : graph.nodes()) {
    if (!node.is("MatMul") || node.inputs.size() != 2) continue;
    const Node *left = dequantize(node.inputs[0]), *right = dequantize(node.inputs[1]);
    if (!left || !right) continue;
    const auto activation = match_activation(graph, *left);
    const auto weights = match_weights(graph, *right);
    if (!activation || !weights) continue;

    ValueId scale = weights->scale;
    if (scale == kNoValue) {
      const std::int64_t columns = graph.value(weights->quantized).constant->dim(1);
      const std::vector<float> repeated(static_cast<std::size_t>(columns), weights->common_scale);
      scale = graph.add_constant(graph.value(right->inputs[1]).name + "/columns",
                                 Tensor::from<float>({columns}, repeated));
    }
    add_origins(node, *left);
    add_origins(node, *right);
    node.op = "QuantMatMul";
    node.domain = "edgeclip";
    node.opset = 1;
    node.inputs = {activation->quantized, weights->quantized, scale, kNoValue, kNoValue};
    node.attributes = {{"a_scale", activation->scale},
                       {"a_zero_point", activation->zero_point},
                       {"activation", std::string()}};
    ++rewrites;
  }
  return rewrites;
}

/// `fused` with what `next`, the only reader of its output, does; nothing if it cannot take that in.
std::optional<Node> absorb(const Graph& graph, const ShapeFacts& shapes, const Node& fused,
                           const Node& next) {
  Node out = fused;
  out.inputs.resize(5, kNoValue);
  const ValueId y = fused.outputs[0];
  const bool activated = activation_of(fused) != Activation::kNone, has_residual = out.inputs[4] != kNoValue;
  const Value& weights = graph.value(fused.inputs[1]);
  if (has_residual || !weights.is_constant()) return {};
  if (next.is("Add")) {
    if (next.inputs[0] == y && next.inputs[1] == y) return {};
    const ValueId other = next.inputs[0] == y ? next.inputs[1] : next.inputs[0];
    const Value& value = graph.value(other);
    if (value.is_constant() && value.constant->dtype() == DType::f32 &&
        value.constant->shape() == Shape{weights.constant->dim(1)}) {
      if (activated || out.inputs[3] != kNoValue) return {};
      out.inputs[3] = other;
    } else {
      if (value.is_constant() || shapes.dtype(other) != DType::f32 || !shapes.same(y, other)) return {};
      out.inputs[4] = other;
    }
  } else {
    const Activation activation = activation_by(graph, next);
    if (activation == Activation::kNone || !is_product_activation(activation) || activated) return {};
    set_activation(out.attributes, activation);
  }
  add_origins(out, next);
  out.name = next.name;
  out.outputs = next.outputs;
  return out;
}

int fuse_followers(Graph& graph) {
  const auto is_fused = [](const Node& node) { return node.is("QuantMatMul", "edgeclip"); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), is_fused)) return 0;
  const ShapeFacts shapes(graph);
  int rewrites = 0;
  // The fused node moves to its follower's place, so one walk in order takes in chains too.
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (!is_fused(node) || graph.is_output(node.outputs[0])) continue;
    const std::vector<std::size_t> readers = graph.consumers(node.outputs[0]);
    if (readers.size() != 1) continue;
    if (auto merged = absorb(graph, shapes, node, graph.nodes()[readers[0]])) {
      graph.nodes()[readers[0]] = std::move(*merged);
      ++rewrites;
    }
  }
  return rewrites;
}

}  // namespace

int fuse_quantized_matmul(Graph& graph) {
  const int rewrites = fuse_products(graph) + fuse_followers(graph);
  if (rewrites > 0) graph.remove_dead();
  return rewrites;
}

}  // namespace edgeclip::builder
