#pragma once

#include <cstdint>

namespace edgeclip::kernels {

/// What follows a product, element by element; alpha and beta stand in the epilogue.
enum class Activation : std::uint8_t {
  none,
  relu,          ///< max(x, 0)
  quick_gelu,    ///< x sigmoid(1.702 x)
  gelu,          ///< x/2 (1 + erf(x / sqrt 2))
  clip,          ///< min(max(x, alpha), beta)
  leaky_relu,    ///< x for x >= 0, alpha x else
  sigmoid,       ///< 1 / (1 + e^-x)
  hard_sigmoid,  ///< min(max(alpha x + beta, 0), 1)
  hard_swish,    ///< x min(max(x/6 + 1/2, 0), 1)
  swish,         ///< x sigmoid(alpha x)
  tanh,
  gelu_tanh      ///< x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
};

enum class OutputType : std::uint8_t { f32, u8, s8 };

/// What becomes of sum[m, n], the exact or float32 sum of products:
///   x = sum * (column_scale[n] * row_scale[m]) + bias[n]      (8-bit products have column scales)
///   y = activation(x) + residual[m, n]
///   out = y, or round(y * out_inverse_scale) + out_zero_point, saturated
/// Pointers are those of the whole product, and null where there is none.
struct Epilogue {
  const float* column_scale = nullptr;  ///< (N)
  const float* row_scale = nullptr;     ///< (M)
  const float* bias = nullptr;          ///< (N)
  Activation activation = Activation::none;
  float alpha = 0, beta = 0;
  const float* residual = nullptr;  ///< (M, N); may be where the output goes
  std::int64_t residual_stride = 0;  ///< elements from row to row

  OutputType out_type = OutputType::f32;
  void* out = nullptr;          ///< (M, N)
  std::int64_t out_stride = 0;  ///< elements from row to row
  float out_inverse_scale = 1;
  std::int32_t out_zero_point = 0;
  /// Of A in 8-bit products: the sum is that of (a - a_zero_point - row_zero_point[m]) w.
  std::int32_t a_zero_point = 0;
  const std::int32_t* row_zero_point = nullptr;  ///< (M)
};

}  // namespace edgeclip::kernels
