#pragma once

#include <torch/torch.h>

#include "bundle/activation_scale.h"

/// Rounding to the grid of int8 and back, as ONNX's QuantizeLinear and DequantizeLinear do it, with gradients straight through
/// (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
/// arXiv:1712.05877).
namespace edgeclip::ops {

/// scale * (clamp(round_half_even(x / scale) + zero_point, 0, 255) - zero_point), of x's shape and type; computed in float32.  The
/// gradient passes where nothing was cut off, and is 0 elsewhere.
torch::Tensor fake_quantize(const torch::Tensor& x, const ActivationScale& scale);

/// weights (channels, ...), of any float type, as symmetric int8 of `bits` (8: -127 to 127, 7: -63 to 63) with a scale for each
/// channel holds them, to the bit as builder::quantize_weights() has it: float32.  Nothing is cut off, so all of the gradient passes.
torch::Tensor fake_quantize_channels(const torch::Tensor& weights, int bits);

}  // namespace edgeclip::ops
