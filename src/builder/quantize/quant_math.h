#pragma once

#include <cstdint>
#include <string>

#include "base/tensor.h"

/// The arithmetic of quantization as ONNX's QuantizeLinear defines it: q = clamp(round_half_even(x / scale) +
/// zero_point).
namespace edgeclip::builder {

/// Asymmetric uint8, one for a whole tensor of activations: x = scale * (q - zero_point).
struct ActivationScale {
  float scale = 1;  ///< > 0
  std::uint8_t zero_point = 0;
};

/// The scale for which [low, high], widened to hold 0, spans 0..255; 0 itself is represented exactly
/// (padding, ReLU and masks stay what they were).  An empty range (0, 0) gives scale 1.
ActivationScale activation_scale(double low, double high);

std::uint8_t quantize_value(float x, const ActivationScale& scale);
inline float dequantize_value(std::uint8_t q, const ActivationScale& s) {
  return s.scale * static_cast<float>(static_cast<int>(q) - s.zero_point);
}

/// Symmetric int8, one scale per column.
struct QuantizedWeights {
  Tensor values;  ///< (K, N) int8 in [-top, top]
  Tensor scales;  ///< (N) float32 > 0
};

/// weights: (K, N) float32.  bits 8: top = 127; bits 7: top = 63, which cannot overflow the 16-bit sums of
/// CPUs without VNNI.  A column of zeros gets scale 1.  Throws InvalidInput (where) if a weight is not
/// finite.
QuantizedWeights quantize_weights(const TensorView& weights, int bits, const std::string& where);

}  // namespace edgeclip::builder
