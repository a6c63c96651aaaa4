#include "engine/ops/fused_attention.h"

#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// FusedAttention (domain edgeclip, opset 1): the products and the softmax of an attention, float32.
///   q (B, Tq, H Dh), k (B, Tk, H Dh), v (B, Tk, H Dh); or q (B, T, 3 H Dh), k and v left out: q, k and v
///   side by side; mask (broadcasts to (B, H, Tq, Tk)) or left out; y (B, Tq, H Dh); H: num_heads
///
///   y = softmax(scale q kᵀ + mask) v, for each head
///
/// causal = 1: query i does not see keys j > i.  A row without a softmax (all of it hidden by -inf, or a NaN
/// in it) gives NaN; safe = 1: zeros, as MaskedSoftmax; safe = 2: zeros where all of it is hidden, as ONNX's
/// Attention.  A key that is hidden should hold no NaN: it may show, or not.
namespace edgeclip::engine {

namespace {

enum FusedAttentionInput : std::size_t { kFusedQuery, kFusedKey, kFusedValue, kFusedMask };

void infer_fused_attention(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, kFusedQuery);
  if (computed_dtype(context.inputs[kFusedQuery].dtype) != DType::f32)
    unsupported_type(node, context.inputs[kFusedQuery].dtype);
  for (const std::size_t i : {kFusedKey, kFusedValue, kFusedMask})
    if (node.has_input(i)) require_same_dtype(context, kFusedQuery, i);
  const kernels::Attention p = attention_problem(node, context.inputs);
  add_output(context, context.inputs[kFusedQuery].dtype, {p.batch, p.queries, p.heads * p.size});
}

void run_fused_attention(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  kernels::Attention problem = attention_problem(node, inputs);
  set_attention_data(problem, inputs, outputs);
  kernels::attend_reference(problem);
}

}  // namespace

kernels::Attention attention_problem(const Node& node, const Inputs& inputs) {
  const Shape& q = inputs[kFusedQuery].shape;
  if (q.size() != 3) refuse(node, "q must have 3 dimensions, not {}", shape_string(q));
  if (node.has_input(kFusedKey) != node.has_input(kFusedValue)) refuse(node, "k and v belong together");
  const bool joined = !node.has_input(kFusedKey);
  const Shape &k = joined ? q : inputs[kFusedKey].shape, &v = joined ? q : inputs[kFusedValue].shape;
  if (k.size() != 3 || k[0] != q[0] || k[2] != q[2] || v != k)
    refuse(node, "q {}, k {} and v {} do not fit", shape_string(q), shape_string(k), shape_string(v));
  const std::int64_t parts = joined ? 3 : 1;

  kernels::Attention p;
  p.heads = node.int_or("num_heads", 0);
  if (p.heads < 1 || q[2] % parts != 0 || q[2] / parts % p.heads != 0)
    refuse(node, "num_heads is {} for a width of {}", p.heads, q[2]);
  const std::int64_t width = q[2] / parts;
  p.batch = q[0];
  p.queries = q[1];
  p.keys = k[1];
  p.size = width / p.heads;
  p.scale = node.float_or("scale", 1);
  p.causal = node.int_or("causal", 0) != 0;
  const std::int64_t safe = node.int_or("safe", 0);
  if (safe < 0 || safe > 2) refuse(node, "safe is {}", safe);
  p.otherwise = safe == 0   ? kernels::NoSoftmax::nan
                : safe == 1 ? kernels::NoSoftmax::zeros
                            : kernels::NoSoftmax::zeros_if_hidden;
  p.q = {nullptr, q[1] * q[2], q[2], p.size};
  p.k = p.v = {nullptr, k[1] * k[2], k[2], p.size};
  p.y = {nullptr, q[1] * width, width, p.size};
  if (node.has_input(kFusedMask)) {
    const Shape& mask = inputs[kFusedMask].shape;
    const Shape full = {p.batch, p.heads, p.queries, p.keys};
    if (!broadcasts_to(mask, full)) refuse(node, "mask {} for {}", shape_string(mask), shape_string(full));
    const Shape steps = broadcast_strides(mask, full);
    p.mask = {nullptr, steps[0], steps[1], steps[2], steps[3]};
  }
  return p;
}

void set_attention_data(kernels::Attention& p, const Inputs& inputs, const Outputs& outputs) {
  p.q.data = inputs[kFusedQuery].as<float>();
  const bool joined = inputs.size() <= kFusedKey || inputs[kFusedKey].data == nullptr;
  p.k.data = joined ? p.q.data + p.heads * p.size : inputs[kFusedKey].as<float>();
  p.v.data = joined ? p.q.data + 2 * p.heads * p.size : inputs[kFusedValue].as<float>();
  const bool masked = inputs.size() > kFusedMask && inputs[kFusedMask].data != nullptr;
  p.mask.data = masked ? inputs[kFusedMask].as<float>() : nullptr;
  p.y.data = outputs[0].as<float>();
}

const std::vector<Operator>& fused_attention_operators() {
  static const std::vector<Operator> rows = {
      {"FusedAttention", "edgeclip", 1, 1, infer_fused_attention, run_fused_attention, 1, 4, 1,
       "num_heads:i! scale:f causal:i safe:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
