#pragma once

#include <cstdint>

#include "engine/ops/activation.h"
#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// edgeclip.QuantMatMul: a matrix product of calibrated activations and int8 weights with everything that
/// follows it,
///   y = act(a_scale * w_scale[n] * sum_k (a[m, k] - a_zero_point) * w[k, n] + bias[n]) + residual[m, n]
/// inputs      A (..., K) uint8; W (K, N) int8; w_scale (N) float32; bias (N) float32 or left out; residual
/// float32,
///             broadcast together with (..., N), or left out (trailing ones may be missing)
/// attributes  a_scale (float > 0), a_zero_point (0..255), activation (activation.h)
/// output      (..., N) float32
/// Sums are exact integers: the oracle of the int8 kernels.
struct QuantMatMulAttributes {
  float a_scale = 1;
  std::int32_t a_zero_point = 0;
  Activation activation = Activation::kNone;
};

/// Throws InvalidInput (a plan made by hand or by another version) if one is missing or out of range.
QuantMatMulAttributes quant_matmul_attributes(const Node& node);

enum QuantMatMulInput : std::size_t { kQuantA = 0, kQuantW, kQuantWScale, kQuantBias, kQuantResidual };

}  // namespace edgeclip::engine
