#include "builder/quantize/quant_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgeclip::builder {

ActivationScale activation_scale(double low, double high) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  const float scale = static_cast<float>((high - low) / 255.0);
  // Smaller ranges than this are nothing but rounding noise, and 1 / scale would overflow.
  if (!(scale > 1e-30f)) return {};
  return {scale, static_cast<std::uint8_t>(std::clamp(std::nearbyint(-low / scale), 0.0, 255.0))};
}

std::uint8_t quantize_value(float x, const ActivationScale& s) {
  return static_cast<std::uint8_t>(
      std::clamp(std::nearbyint(x / s.scale) + static_cast<float>(s.zero_point), 0.0f, 255.0f));
}

QuantizedWeights quantize_weights(const TensorView& weights, int bits, const std::string& where) {
  EDGECLIP_CHECK(bits == 7 || bits == 8, "{} bits", bits);
  EDGECLIP_CHECK(weights.shape.size() == 2, "weights have shape {}", shape_string(weights.shape));
  const std::int64_t rows = weights.shape[0], columns = weights.shape[1];
  const float top = bits == 8 ? 127.0f : 63.0f;
  const float* w = weights.as<float>();

  QuantizedWeights out{Tensor(DType::i8, weights.shape), Tensor(DType::f32, {columns})};
  float* scales = out.scales.data<float>();
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    if (!std::isfinite(w[i]))
      invalid_input("{}: holds values that are not finite; it cannot be quantized", where);
    scales[i % columns] = std::max(scales[i % columns], std::abs(w[i]));
  }
  for (std::int64_t n = 0; n < columns; ++n) scales[n] = scales[n] > 1e-30f ? scales[n] / top : 1.0f;
  auto* q = out.values.data<std::int8_t>();
  for (std::int64_t k = 0; k < rows; ++k)
    for (std::int64_t n = 0; n < columns; ++n)
      q[k * columns + n] =
          static_cast<std::int8_t>(std::clamp(std::nearbyint(w[k * columns + n] / scales[n]), -top, top));
  return out;
}

}  // namespace edgeclip::builder
