#pragma once

#include <cstdint>
#include <vector>

#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// edgeclip.TokenMerge of one set of shapes.  Of T rows the even ones are sources, the odd ones targets.
struct TokenMerge {
  std::int64_t batch = 0, tokens = 0, width = 0;  ///< B, T, W
  std::int64_t heads = 0, size = 0;               ///< of a key, H and Dh
  std::int64_t key_step = 0, key_offset = 0;      ///< from a token's keys to the next's; of the first head
  std::int64_t merged = 0;                        ///< r
  float epsilon = 0;

  std::int64_t sources() const { return (tokens + 1) / 2; }
  std::int64_t targets() const { return tokens / 2; }
  std::int64_t stay() const { return sources() - merged; }  ///< sources that are not merged
  std::int64_t rows() const { return tokens - merged; }     ///< of the result
};

/// For inputs of which only the shapes need be known.  Throws InvalidInput if they do not fit.
TokenMerge token_merge_problem(const Node& node, const Inputs& inputs);

/// Of one image: which of the sources are merged, by their likeness to their nearest target (sources() of
/// each).  place[i]: the row of the result that source i is, or is added to.
void place_sources(const TokenMerge& problem, const float* likeness, const std::int32_t* nearest,
                   std::int32_t* place);

/// a > b, where a NaN counts as larger than every number: an order whatever the keys are.
inline bool is_nearer(float a, float b) { return a != a ? b == b : a > b; }

}  // namespace edgeclip::engine
