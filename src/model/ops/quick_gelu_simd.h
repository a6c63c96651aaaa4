#pragma once

#include <cstdint>

/// The passes of quick_gelu over memory, for the best instruction set of the machine; without LibTorch.
namespace edgeclip {

/// y[i] = x[i] * sigmoid(1.702 x[i]), i < n.  y may be x.
void quick_gelu_forward(const float* x, float* y, std::int64_t n);

/// out[i] = gradient[i] * the derivative at x[i], i < n.  out may be x or gradient.
void quick_gelu_backward(const float* x, const float* gradient, float* out, std::int64_t n);

}  // namespace edgeclip
