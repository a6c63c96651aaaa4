#include "engine/ops/token_merge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// TokenMerge (domain edgeclip, opset 1): bipartite soft matching (Bolya et al. 2022, arXiv:2210.09461), float32.
///   x (B, T, W); keys (B, T, H Dh), or (B, T, 3 H Dh) with joined = 1: an attention's q, k and v side by side;
///   sizes (B, T, 1): how many tokens a row stands for; y (B, T - r, W); merged sizes (B, T - r, 1);
///   H: num_heads, r: count
///
/// A token's key is the mean over its heads, divided by its length (or by epsilon, if that is more).  Rows 0, 2, 4, ...
/// are sources, rows 1, 3, 5, ... targets.  A source's likeness is the largest product of its key and a target's, of the
/// first such target.  The r sources of the largest likeness are merged into their targets; of equals those behind; row
/// 0 never is.  y: the other sources in their order, and behind them the targets, in theirs; a target is the mean of
/// what it holds, weighted by sizes, and its size their sum.
namespace edgeclip::engine {

namespace {

enum TokenMergeInput : std::size_t { kTokens, kKeys, kSizes };

void infer_token_merge(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, kTokens);
  const DType dtype = context.inputs[kTokens].dtype;
  if (computed_dtype(dtype) != DType::f32) unsupported_type(node, dtype);
  for (const std::size_t i : {kKeys, kSizes}) require_same_dtype(context, kTokens, i);
  const TokenMerge p = token_merge_problem(node, context.inputs);
  add_output(context, dtype, {p.batch, p.rows(), p.width});
  add_output(context, dtype, {p.batch, p.rows(), 1});
}

/// The unit keys of an image, (T, Dh).
std::vector<double> unit_keys(const TokenMerge& p, const float* keys) {
  std::vector<double> units(static_cast<std::size_t>(p.tokens * p.size), 0);
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    double* unit = &units[static_cast<std::size_t>(t * p.size)];
    const float* key = keys + t * p.key_step + p.key_offset;
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t k = 0; k < p.size; ++k) unit[k] += static_cast<double>(key[h * p.size + k]);
    double squares = 0;
    for (std::int64_t k = 0; k < p.size; ++k) {
      unit[k] /= static_cast<double>(p.heads);
      squares += unit[k] * unit[k];
    }
    const double length = std::max(std::sqrt(squares), static_cast<double>(p.epsilon));
    for (std::int64_t k = 0; k < p.size; ++k) unit[k] /= length;
  }
  return units;
}

void merge_image(const TokenMerge& p, const float* x, const float* keys, const float* sizes, float* y,
                 float* merged_sizes) {
  const std::vector<double> units = unit_keys(p, keys);
  std::vector<float> likeness(static_cast<std::size_t>(p.sources()));
  std::vector<std::int32_t> nearest(likeness.size()), place(likeness.size());
  for (std::int64_t i = 0; i < p.sources(); ++i) {
    const double* source = &units[static_cast<std::size_t>(2 * i * p.size)];
    for (std::int64_t j = 0; j < p.targets(); ++j) {
      const double* target = &units[static_cast<std::size_t>((2 * j + 1) * p.size)];
      const auto product = static_cast<float>(std::inner_product(source, source + p.size, target, 0.0));
      if (j > 0 && !is_nearer(product, likeness[static_cast<std::size_t>(i)])) continue;
      likeness[static_cast<std::size_t>(i)] = product;
      nearest[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(j);
    }
  }
  place_sources(p, likeness.data(), nearest.data(), place.data());

  std::vector<double> sums(static_cast<std::size_t>(p.rows() * p.width), 0), held(static_cast<std::size_t>(p.rows()), 0);
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    const std::int64_t row = t % 2 == 0 ? place[static_cast<std::size_t>(t / 2)] : p.stay() + t / 2;
    const auto size = static_cast<double>(sizes[t]);
    held[static_cast<std::size_t>(row)] += size;
    for (std::int64_t k = 0; k < p.width; ++k)
      sums[static_cast<std::size_t>(row * p.width + k)] += size * static_cast<double>(x[t * p.width + k]);
  }
  for (std::int64_t row = 0; row < p.rows(); ++row) {
    merged_sizes[row] = static_cast<float>(held[static_cast<std::size_t>(row)]);
    for (std::int64_t k = 0; k < p.width; ++k)
      y[row * p.width + k] = static_cast<float>(sums[static_cast<std::size_t>(row * p.width + k)] /
                                                held[static_cast<std::size_t>(row)]);
  }
}

void run_token_merge(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const TokenMerge p = token_merge_problem(node, inputs);
  std::vector<float> not_asked_for;
  float* sizes = nullptr;
  if (outputs.size() > 1 && outputs[1].data != nullptr) {
    sizes = outputs[1].as<float>();
  } else {
    not_asked_for.resize(static_cast<std::size_t>(p.batch * p.rows()));
    sizes = not_asked_for.data();
  }
  for (std::int64_t b = 0; b < p.batch; ++b)
    merge_image(p, inputs[kTokens].as<float>() + b * p.tokens * p.width,
                inputs[kKeys].as<float>() + b * p.tokens * p.key_step, inputs[kSizes].as<float>() + b * p.tokens,
                outputs[0].as<float>() + b * p.rows() * p.width, sizes + b * p.rows());
}

}  // namespace

TokenMerge token_merge_problem(const Node& node, const Inputs& inputs) {
  const Shape &x = inputs[kTokens].shape, &keys = inputs[kKeys].shape, &sizes = inputs[kSizes].shape;
  if (x.size() != 3) refuse(node, "x must have 3 dimensions, not {}", shape_string(x));
  if (keys.size() != 3 || keys[0] != x[0] || keys[1] != x[1] || sizes != Shape{x[0], x[1], 1})
    refuse(node, "x {}, keys {} and sizes {} do not fit", shape_string(x), shape_string(keys), shape_string(sizes));
  const bool joined = node.int_or("joined", 0) != 0;
  const std::int64_t parts = joined ? 3 : 1;
  TokenMerge p;
  p.batch = x[0], p.tokens = x[1], p.width = x[2];
  p.heads = node.int_or("num_heads", 0);
  if (p.heads < 1 || keys[2] % parts != 0 || keys[2] / parts % p.heads != 0)
    refuse(node, "num_heads is {} for keys of {}", p.heads, keys[2]);
  p.size = keys[2] / parts / p.heads;
  p.key_step = keys[2];
  p.key_offset = joined ? p.heads * p.size : 0;
  p.merged = node.int_or("count", 0);
  p.epsilon = node.float_or("epsilon", 0);
  if (p.merged < 1 || p.merged >= p.sources())
    refuse(node, "count is {}: of {} tokens at most {} can be merged", p.merged, p.tokens,
           std::max<std::int64_t>(p.sources() - 1, 0));
  if (p.tokens > std::numeric_limits<std::int32_t>::max()) refuse(node, "{} tokens", p.tokens);
  return p;
}

void place_sources(const TokenMerge& p, const float* likeness, const std::int32_t* nearest, std::int32_t* place) {
  std::iota(place, place + p.sources(), 0);
  std::sort(place + 1, place + p.sources(), [&](std::int32_t a, std::int32_t b) {
    if (is_nearer(likeness[b], likeness[a])) return true;
    return !is_nearer(likeness[a], likeness[b]) && a < b;
  });
  std::vector<bool> stays(static_cast<std::size_t>(p.sources()), false);
  for (std::int64_t i = 0; i < p.stay(); ++i) stays[static_cast<std::size_t>(place[i])] = true;
  std::int32_t row = 0;
  for (std::int64_t i = 0; i < p.sources(); ++i)
    place[i] = stays[static_cast<std::size_t>(i)] ? row++ : static_cast<std::int32_t>(p.stay()) + nearest[i];
}

const std::vector<Operator>& token_merge_operators() {
  static const std::vector<Operator> rows = {
      {"TokenMerge", "edgeclip", 1, 1, infer_token_merge, run_token_merge, 3, 3, 2,
       "num_heads:i! count:i! joined:i epsilon:f"},
  };
  return rows;
}

}  // namespace edgeclip::engine
