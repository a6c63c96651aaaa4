#pragma once

#include <cstdint>
#include <optional>

#include "engine/ops/activation.h"
#include "engine/ops/output_quantization.h"

namespace edgeclip::engine {

/// edgeclip.QuantConv (opset 1): a convolution of calibrated activations and int8 weights with everything
/// that follows it,
///   y = act(x_scale * w_scale[m] * sum (x - x_zero_point) * w + bias[m] + r)
///   r = residual, or residual_scale * (residual - residual_zero_point)
/// inputs      X (N, C, spatial...) uint8 or int8; W (M, C / group, kernel...) int8; w_scale (M) float32; bias (M) float32
///             or left out; residual float32, uint8 or int8, of y's shape, or left out
/// attributes  Conv's; x_scale (float > 0), x_zero_point (in the range of X's type); residual_scale (float > 0) and
///             residual_zero_point (in the range of its type) beside a residual of 8 bits alone; activation...
///             (activation.h); out_type, out_scale, out_zero_point (output_quantization.h)
/// output      (N, M, spatial...) float32, or what out_type says
/// One, two or three spatial dimensions.  Padding is x_zero_point, a real 0.  Sums are exact integers.
struct QuantConvAttributes {
  float x_scale = 1;
  std::int32_t x_zero_point = 0;
  Activation activation;
  OutputQuantization output;
  std::optional<float> residual_scale;  ///< of a residual of 8 bits
  std::int32_t residual_zero_point = 0;
};

/// Throws InvalidInput if one is missing or out of range; of x_zero_point that is what either type of X
/// holds, and the shape rule looks closer.
QuantConvAttributes quant_conv_attributes(const Node& node);
/// Element i of a residual as a real number.
float residual_at(const TensorView& residual, std::int64_t i, const QuantConvAttributes& attributes);

enum QuantConvInput : std::size_t {
  kQuantConvX = 0,
  kQuantConvW,
  kQuantConvWScale,
  kQuantConvBias,
  kQuantConvResidual
};

}  // namespace edgeclip::engine
