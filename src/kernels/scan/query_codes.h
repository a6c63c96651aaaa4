#pragma once

#include <cstdint>

namespace edgeclip::kernels {

/// A query in integers, and how far products with them may be from the score that is promised.
///
/// Let S be the sum of a row r of int8 with the query, in float32 in the order of scan.h, I the exact integer
/// sum of r with the codes, and |r| the sum of r's magnitudes.  Then
///   S <= step * I + slack * |r|
/// where the right side may be evaluated in float32, in any order, with or without fused operations.
struct QueryCodes {
  float step = 0;
  /// Infinite where no bound holds (NaN, infinities, numbers so large or small that a sum might leave the range
  /// of float32): then each row has to be scored.
  float slack = 0;
};

/// The longest row whose integer sums fit into 32 bits, by codes of 8 bits.
inline constexpr std::int64_t kLongestCoded = 65536;

/// codes[d] = query[d] / step, rounded, at most `most` in magnitude (0 where there is no bound).
QueryCodes quantize_query(const float* query, std::int64_t dim, std::int32_t most, std::int16_t* codes);

}  // namespace edgeclip::kernels
