#include <cmath>

#include "export/emit.h"

namespace edgeclip {

// x ─► q ─► Mul(1/√d) ─► (B, h, T, d) ─►┐
// ├──► k ──────────────► (B, h, d, T) ─► MatMul [─► Add(mask)] ─► Softmax ─► MatMul ─► (B, T, h d) ─► out_proj
// └──► v ──────────────► (B, h, T, d) ──────────────────────────────────────►┘
Value emit_attention(GraphBuilder& g, const Attention& attention, const Value& x, const Value* mask,
                     const BlockStyle& names, const std::string& name, Value* keys) {
  const GraphBuilder::Scope scope(g, names.attention);
  const std::int64_t heads = attention->heads, d = attention->head_width;
  const auto split = [&](const Value& t, const std::vector<std::int64_t>& perm) {
    return g.transpose(g.reshape(t, {0, 0, heads, d}), perm);
  };
  const Value scale = g.scalar(static_cast<float>(1.0 / std::sqrt(static_cast<double>(d))), "scale");
  const Value q =
      split(g.mul(emit_linear(g, attention->q_proj, x, name + "." + names.query), scale), {0, 2, 1, 3});
  const Value key_rows = emit_linear(g, attention->k_proj, x, name + "." + names.key), k = split(key_rows, {0, 2, 3, 1});
  if (keys) *keys = key_rows;
  const Value v = split(emit_linear(g, attention->v_proj, x, name + "." + names.value), {0, 2, 1, 3});
  Value scores = g.matmul(q, k);
  if (mask) scores = g.add(scores, *mask);
  const Value mixed = g.transpose(g.matmul(g.softmax(scores, -1), v), {0, 2, 1, 3});
  return emit_linear(g, attention->out_proj, g.reshape(mixed, {0, 0, attention->inner()}),
                     name + "." + names.out);
}

}  // namespace edgeclip
