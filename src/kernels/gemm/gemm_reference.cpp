#include <algorithm>
#include <cmath>

#include "kernels/gemm/gemm.h"

namespace edgeclip::kernels {

namespace {

double activate(double x, const Epilogue& e) {
  const double alpha = e.alpha, beta = e.beta;
  switch (e.activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::gelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::clip:
      return std::min(std::max(x, alpha), beta);
    case Activation::leaky_relu:
      return x < 0 ? alpha * x : x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::hard_sigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Activation::hard_swish:
      return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
    case Activation::swish:
      return x / (1 + std::exp(-alpha * x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::gelu_tanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

template <class Byte>
Byte to_byte(double y, const Epilogue& e) {
  const double least = std::is_signed_v<Byte> ? -128 : 0;
  const double whole = std::nearbyint(y * static_cast<double>(e.out_inverse_scale)) + e.out_zero_point;
  return static_cast<Byte>(std::clamp(whole, least, least + 255));
}

void finish(double sum, std::int64_t m, std::int64_t n, const Epilogue& e) {
  double x = sum;
  if (e.column_scale) x *= static_cast<double>(e.column_scale[n]);
  if (e.row_scale) x *= static_cast<double>(e.row_scale[m]);
  if (e.bias) x += static_cast<double>(e.bias[n]);
  const double residual = e.residual ? static_cast<double>(e.residual[m * e.residual_stride + n]) : 0;
  const double y = activate(x, e) + residual;
  const std::int64_t at = m * e.out_stride + n;
  if (e.out_type == OutputType::f32)
    static_cast<float*>(e.out)[at] = static_cast<float>(y);
  else if (e.out_type == OutputType::u8)
    static_cast<std::uint8_t*>(e.out)[at] = to_byte<std::uint8_t>(y, e);
  else
    static_cast<std::int8_t*>(e.out)[at] = to_byte<std::int8_t>(y, e);
}

}  // namespace

void reference_gemm(const float* a, std::int64_t a_stride, const float* w, std::int64_t m, std::int64_t k,
                    std::int64_t n, const Epilogue& epilogue) {
  for (std::int64_t row = 0; row < m; ++row)
    for (std::int64_t column = 0; column < n; ++column) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i)
        sum += static_cast<double>(a[row * a_stride + i]) * static_cast<double>(w[i * n + column]);
      finish(sum, row, column, epilogue);
    }
}

void reference_gemm(const std::uint8_t* a, std::int64_t a_stride, bool signed_a, const std::int8_t* w, std::int64_t m,
                    std::int64_t k, std::int64_t n, const Epilogue& epilogue) {
  for (std::int64_t row = 0; row < m; ++row) {
    const std::int64_t zero =
        epilogue.a_zero_point + (epilogue.row_zero_point ? std::int64_t{epilogue.row_zero_point[row]} : 0);
    for (std::int64_t column = 0; column < n; ++column) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        const std::uint8_t byte = a[row * a_stride + i];
        const std::int64_t x = signed_a ? static_cast<std::int8_t>(byte) : byte;
        sum += (x - zero) * w[i * n + column];
      }
      finish(static_cast<double>(sum), row, column, epilogue);
    }
  }
}

}  // namespace edgeclip::kernels
