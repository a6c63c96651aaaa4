#pragma once

#include "export/emit.h"

namespace edgeclip {

struct MergedTokens {
  Value x;      ///< (B, T - r, W)
  Value sizes;  ///< (B, T - r, 1)
};

/// ops::merge_tokens (model/ops/token_merge.h) in plain operators of any opset: matching matrices of zeros and ones, and
/// products.  x: (B, T, W); keys: (B, T, any multiple of heads); sizes: (B, T, 1).  T is known.
MergedTokens emit_token_merge(GraphBuilder& g, const Value& x, const Value& keys, std::int64_t heads, const Value& sizes,
                              std::int64_t merged, const std::string& name);

/// As long as nothing was merged: ones, (B, T, 1) of x (B, T, W).
Value emit_token_sizes(GraphBuilder& g, const Value& x);

/// What proportional attention adds to the scores, (B, 1, 1, T).
Value emit_size_mask(GraphBuilder& g, const Value& sizes);

}  // namespace edgeclip
