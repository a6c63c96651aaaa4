#pragma once

#include <cstdint>
#include <limits>

#include "engine/ops/activation.h"
#include "engine/ops/output_quantization.h"

namespace edgeclip::engine {

/// edgeclip.QuantMatMul: a matrix product of quantized activations and int8 weights with everything that
/// follows it,
///   y = act(a_scale * row_scale[m] * w_scale[n] * sum_k (a[m, k] - zero[m]) * w[k, n] + bias[n]) + residual[m, n]
///   zero[m] = a_zero_point, or row_zero_point[m] where there is one
/// inputs      A (..., K) uint8 or int8; W (K, N) int8; w_scale (N) float32; bias (N) float32 or left out;
///             residual float32, broadcast together with (..., N), or left out; row_scale (..., 1) float32, a
///             scale for each row of A (edgeclip.QuantizeRows), or left out; row_zero_point (..., 1) int32, 0..255, beside
///             a row_scale and uint8 alone (edgeclip.AffineQuantizeRows), or left out (trailing ones may be missing)
/// attributes  a_scale (float > 0), a_zero_point (in the range of A's type), both 1 and 0 beside a row_scale;
///             activation (activation.h); out_type, out_scale, out_zero_point (output_quantization.h)
/// output      (..., N) float32, or what out_type says
/// Sums are exact integers: the oracle of the int8 kernels.
struct QuantMatMulAttributes {
  float a_scale = 1;
  std::int32_t a_zero_point = 0;
  Activation activation = Activation::kNone;
  OutputQuantization output;
};

/// Throws InvalidInput (a plan made by hand or by another version) if one is missing or out of range; of
/// a_zero_point that is what either type of A holds, and the shape rule looks closer.
QuantMatMulAttributes quant_matmul_attributes(const Node& node);

/// Products of 8 bits whose sum 32 bits hold; more could overflow.
inline constexpr std::int64_t kMostInt8Products = std::numeric_limits<std::int32_t>::max() / (255 * 128);

enum QuantMatMulInput : std::size_t {
  kQuantA = 0,
  kQuantW,
  kQuantWScale,
  kQuantBias,
  kQuantResidual,
  kQuantRowScale,
  kQuantRowZeroPoint
};

}  // namespace edgeclip::engine
