#include <numeric>

#include "export/emit_token_merge.h"

namespace edgeclip {

namespace {

/// 0, 1, ... n - 1.
Value numbers(GraphBuilder& g, std::int64_t n, const Shape& shape, const std::string& name) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return g.initializer(name, Tensor::from<std::int64_t>(shape, values));
}

/// 1 where places (B, M, 1) or (B, 1, M) is the number of the row or column, else 0: (B, M, N) or (B, N, M).
Value one_hot(GraphBuilder& g, const Value& places, const Value& numbers, const Shape& shape) {
  const Value equal = g.node("Equal", {places, numbers}, DType::boolean, shape);
  return g.node("Cast", {equal}, DType::f32, shape, {Attr::integer("to", onnx_ir::dtype_to_onnx(DType::f32))});
}

}  // namespace

Value emit_token_sizes(GraphBuilder& g, const Value& x) {
  const std::int64_t tokens = x.shape.at(1);
  const Value one = g.initializer("token_size", Tensor::from<float>({1, 1, 1}, {1}));
  const Value shape = g.concat({g.shape_of(x, 0, 1), g.constant({tokens, 1}, "sizes_shape")}, 0);
  return g.node("Expand", {one, shape}, DType::f32, {-1, tokens, 1});
}

Value emit_size_mask(GraphBuilder& g, const Value& sizes) {
  const Value logarithms = g.node("Log", {sizes}, DType::f32, sizes.shape);
  return g.reshape(logarithms, {0, 1, 1, sizes.shape.at(1)});
}

// The pattern is drawn in builder/passes/fuse_token_merge.cpp, which finds it.
MergedTokens emit_token_merge(GraphBuilder& g, const Value& x, const Value& keys, std::int64_t heads, const Value& sizes,
                              std::int64_t merged, const std::string& name) {
  const GraphBuilder::Scope scope(g, "token_merging");
  const std::int64_t tokens = x.shape.at(1), width = x.shape.at(2), sources = (tokens + 1) / 2, targets = tokens / 2,
                     stay = sources - merged;
  // How alike each source and its nearest target are.
  const Value by_heads = g.reshape(keys, {0, 0, heads, keys.shape.at(2) / heads});
  const Value units = g.l2_normalize(g.reduce("ReduceMean", by_heads, {2}, false));
  const Value likeness = g.matmul(g.slice_axis(units, 1, 0, tokens, 2),
                                  g.transpose(g.slice_axis(units, 1, 1, tokens, 2), {0, 2, 1}));
  const auto [most, nearest] = g.top_k(likeness, 1, 2);
  // The least alike stay, in their order.  The first row does anyhow: no product of unit keys is below -1.
  std::vector<float> guard(static_cast<std::size_t>(sources), 0);
  guard[0] = -4;
  const Value guarded = g.add(most, g.initializer(name + ".guard", Tensor::from<float>({sources, 1}, guard)));
  const Value kept = g.top_k(g.top_k(guarded, stay, 1, false).second, stay, 1, false).first;
  const Value keep = one_hot(g, kept, numbers(g, sources, {sources}, name + ".sources"), {-1, stay, sources});
  const Value gone = g.sub(g.scalar(1, "one"), g.reduce("ReduceSum", keep, {1}, true));
  const Value move = g.mul(one_hot(g, g.transpose(nearest, {0, 2, 1}), numbers(g, targets, {targets, 1}, name + ".targets"),
                                   {-1, targets, sources}),
                           gone);
  // Weighted sums beside the sums of the weights.
  const Value all = g.concat({g.mul(x, sizes), sizes}, 2);
  const Value even = g.slice_axis(all, 1, 0, tokens, 2), odd = g.slice_axis(all, 1, 1, tokens, 2);
  const Value rows = g.concat({g.matmul(keep, even), g.add(g.matmul(move, even), odd)}, 1);
  const Value merged_sizes = g.slice_axis(rows, 2, width, width + 1);
  return {g.div(g.slice_axis(rows, 2, 0, width), merged_sizes), merged_sizes};
}

}  // namespace edgeclip
