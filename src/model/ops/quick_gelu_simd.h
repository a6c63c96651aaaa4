#pragma once

#include <cstdint>

/// The passes of quick_gelu over memory, for the best instruction set of the machine; without LibTorch.
/// Elements are float32, or bfloat16 as its bits, which is computed in float32 and rounded once.
namespace edgeclip::quick_gelu_simd {

/// y[i] = x[i] * sigmoid(1.702 x[i]), i < n.  y may be x.
void forward(const float* x, float* y, std::int64_t n);
void forward(const std::uint16_t* x, std::uint16_t* y, std::int64_t n);

/// out[i] = gradient[i] * the derivative at x[i], i < n.  out may be x or gradient.
void backward(const float* x, const float* gradient, float* out, std::int64_t n);
void backward(const std::uint16_t* x, const std::uint16_t* gradient, std::uint16_t* out, std::int64_t n);

}  // namespace edgeclip::quick_gelu_simd
