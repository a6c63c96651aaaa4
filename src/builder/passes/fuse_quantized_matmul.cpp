#include "builder/passes/fuse_quantized_matmul.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "builder/passes/activation_by.h"
#include "builder/passes/dequantized.h"
#include "engine/graph/shape_inference.h"

// x ─► QuantizeLinear ─► DequantizeLinear ─► MatMul | Gemm ─► y   ⇒   x ─► QuantizeLinear ─► QuantMatMul ─► y
//                 W int8 ─► DequantizeLinear ─►┘                                       W int8 ─►┘
//
// and then, one after the other, what reads y alone:
//   y ─► Add(bias (N))   y ─► Gelu | QuickGelu | Relu   y ─► Add(residual of the same shape)
//
// QuantizeLinear stays a node of its own: products of one activation (q, k, v) share it.
// A Gemm's transposed weights are stored the right way round, its bias may be int32 behind a
// DequantizeLinear. Refuses if the activation is not uint8 or int8 with one constant scale and zero point; if
// W is not a constant int8 matrix with zero point 0 and one scale, or one per column; a Gemm with alpha, beta
// other than 1, a transposed A or a bias that is no constant (N); in the second step if y is a graph output
// or has other readers.
namespace edgeclip::builder {

using namespace engine;
namespace {

/// A product by constant weights, as it is in the model.
struct Operands {
  ValueId a, w;
  ValueId bias = kNoValue;
  bool transposed = false;  ///< weights (N, K)
};

std::optional<Operands> operands_of(const Node& node) {
  if (node.is("MatMul")) return Operands{node.inputs[0], node.inputs[1]};
  if (!node.is("Gemm") || node.float_or("alpha", 1) != 1 || node.float_or("beta", 1) != 1 ||
      node.int_or("transA", 0) != 0)
    return {};
  return Operands{node.inputs[0], node.inputs[1], node.has_input(2) ? node.inputs[2] : kNoValue,
                  node.int_or("transB", 0) != 0};
}

Tensor transposed(const Tensor& w) {
  Tensor t(DType::i8, {w.dim(1), w.dim(0)});
  for (std::int64_t r = 0; r < w.dim(0); ++r)
    for (std::int64_t c = 0; c < w.dim(1); ++c)
      t.data<std::int8_t>()[c * w.dim(0) + r] = w.data<std::int8_t>()[r * w.dim(1) + c];
  return t;
}

bool rewrite_product(Graph& graph, const GraphIndex& index, std::size_t i) {
  const auto operands = operands_of(graph.nodes()[i]);
  if (!operands) return false;
  const auto a = dequantized_activation(graph, index, operands->a);
  const auto w = dequantized_weights(graph, index, operands->w, operands->transposed ? 0 : 1);
  if (!a || !w) return false;
  const Tensor weights = *graph.value(w->quantized).constant;
  if (weights.shape().size() != 2) return false;
  const std::int64_t columns = weights.dim(operands->transposed ? 0 : 1);
  ValueId bias = kNoValue;
  if (operands->bias != kNoValue) {
    bias = constant_bias(graph, index, operands->bias, columns);
    if (bias == kNoValue) return false;
  }
  const ValueId scales = channel_scales(graph, *w, columns);
  const ValueId values = operands->transposed
                             ? graph.add_constant(graph.value(w->quantized).name + ".T", transposed(weights))
                             : w->quantized;
  become(graph.nodes()[i], "QuantMatMul", {a->quantized, values, scales, bias},
         {{"a_scale", a->scale}, {"a_zero_point", a->zero_point}, {"activation", std::string()}});
  return true;
}

/// `fused` with what `next`, the only reader of its output, does; nothing if it cannot take that in.
std::optional<Node> absorb(const Graph& graph, const ShapeFacts& shapes, const Node& fused,
                           const Node& next) {
  Node out = fused;
  if (!fused.string_or("out_type", "").empty()) return {};  // its result is rounded already
  out.inputs.resize(std::max<std::size_t>(out.inputs.size(), 5), kNoValue);
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
      if (shapes.dtype(other) != DType::f32 || !shapes.same(y, other)) return {};
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
  const bool dequantizes = std::any_of(graph.nodes().begin(), graph.nodes().end(),
                                       [](const Node& node) { return node.is("DequantizeLinear"); });
  int rewrites = dequantizes ? rewrite_nodes(graph, rewrite_product) : 0;
  rewrites += fuse_followers(graph);
  if (rewrites > 0) graph.remove_dead();
  return rewrites;
}

}  // namespace edgeclip::builder
