#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

/// edgeclip.QuantizeRows (opset 1): int8 activations with a scale for each row (token), found while the graph
/// runs, so that no calibration is needed and a row's result depends on no other row.
///   scale[m] = max_k |x[m, k]| / 127, 1 for a row of zeros;  y[m, k] = round(x[m, k] / scale[m]), halves to
///   even
/// input    x (..., K) float32
/// outputs  y (..., K) int8, in -127..127; scale (..., 1) float32
/// A row that holds an infinity or a NaN gets that as its scale, so that what is computed from it is no
/// number either; its own numbers are 0.
namespace edgeclip::engine {

/// A row's scale from the largest magnitude in it; a row so small that the quotient vanishes counts as zeros.
inline float scale_of_largest(float largest) {
  const float scale = largest / 127.0f;
  return scale == 0 ? 1.0f : scale;
}

/// Of `count` elements.  Magnitudes are compared as the integers of their bits: NaN stands above infinity.
inline float row_scale(const float* x, std::int64_t count) {
  std::uint32_t largest = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    std::uint32_t bits;
    std::memcpy(&bits, x + k, sizeof bits);
    largest = std::max(largest, bits & 0x7fffffffU);
  }
  float magnitude;
  std::memcpy(&magnitude, &largest, sizeof magnitude);
  return scale_of_largest(magnitude);
}

inline std::int8_t quantize_symmetric(float x, float scale) {
  const float q = std::nearbyint(x / scale);
  if (q != q) return 0;
  return static_cast<std::int8_t>(std::clamp(q, -127.0f, 127.0f));
}

}  // namespace edgeclip::engine
