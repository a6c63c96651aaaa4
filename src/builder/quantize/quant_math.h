#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "bundle/activation_scale.h"

/// The arithmetic of quantization as ONNX's QuantizeLinear defines it: q = clamp(round_half_even(x / scale) +
/// zero_point).
namespace edgeclip::builder {

std::uint8_t quantize_value(float x, const ActivationScale& scale);
inline float dequantize_value(std::uint8_t q, const ActivationScale& s) {
  return s.scale * static_cast<float>(static_cast<int>(q) - s.zero_point);
}

/// Symmetric int8, one scale per output channel.
struct QuantizedWeights {
  Tensor values;  ///< shape of the weights, int8 in [-top, top]
  Tensor scales;  ///< (channels) float32 > 0
};

/// weights: float32 of two or more dimensions, of which `axis` (the first or the last) counts the channels:
/// the last of a matrix (K, N), the first of a convolution's (M, C / group, kernel...).  bits 8: top = 127;
/// bits 7: top = 63, which cannot overflow the 16-bit sums of CPUs without VNNI.  A channel of zeros gets
/// scale 1.  Throws InvalidInput (where) if a weight is not finite.
QuantizedWeights quantize_weights(const TensorView& weights, std::size_t axis, int bits,
                                  const std::string& where);

/// What the bias of a product by (K, N) weights has to be for its outputs to keep their mean: rounding moves the mean of output n by
/// sum_k mean_k (s_n q_kn - w_kn), which is taken off.  M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
/// Correction", arXiv:1906.04721, sec. 4.2.  bias: (N); mean: of the K channels of what is multiplied.
Tensor corrected_bias(const TensorView& bias, const TensorView& weights, const QuantizedWeights& quantized,
                      const std::vector<float>& mean);

}  // namespace edgeclip::builder
