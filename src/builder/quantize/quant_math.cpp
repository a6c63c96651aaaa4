#include "builder/quantize/quant_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgeclip::builder {

std::uint8_t quantize_value(float x, const ActivationScale& s) {
  return static_cast<std::uint8_t>(
      std::clamp(std::nearbyint(x / s.scale) + static_cast<float>(s.zero_point), 0.0f, 255.0f));
}

QuantizedWeights quantize_weights(const TensorView& weights, std::size_t axis, int bits,
                                  const std::string& where) {
  EDGECLIP_CHECK(bits == 7 || bits == 8, "{} bits", bits);
  const bool first = axis == 0;
  EDGECLIP_CHECK(weights.shape.size() >= 2 && (first || axis + 1 == weights.shape.size()),
                 "weights have shape {}, channels along {}", shape_string(weights.shape), axis);
  const std::int64_t channels = weights.shape[axis], count = weights.elements();
  // Elements of a channel lie together, or every `channels` elements.
  const std::int64_t together = first && channels > 0 ? count / channels : 1;
  const float top = bits == 8 ? 127.0f : 63.0f;
  const float* w = weights.as<float>();

  QuantizedWeights out{Tensor(DType::i8, weights.shape), Tensor(DType::f32, {channels})};
  float* scales = out.scales.data<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(w[i]))
      invalid_input("{}: holds values that are not finite; it cannot be quantized", where);
    float& scale = scales[i / together % channels];
    scale = std::max(scale, std::abs(w[i]));
  }
  for (std::int64_t n = 0; n < channels; ++n) scales[n] = scales[n] > 1e-30f ? scales[n] / top : 1.0f;
  auto* q = out.values.data<std::int8_t>();
  for (std::int64_t i = 0; i < count; ++i)
    q[i] = static_cast<std::int8_t>(
        std::clamp(std::nearbyint(w[i] / scales[i / together % channels]), -top, top));
  return out;
}

Tensor corrected_bias(const TensorView& bias, const TensorView& weights, const QuantizedWeights& quantized,
                      const std::vector<float>& mean) {
  const std::int64_t rows = weights.shape.at(0), columns = weights.shape.at(1);
  EDGECLIP_CHECK(static_cast<std::int64_t>(mean.size()) == rows && bias.elements() == columns, "{} means and {} biases for {}",
                 mean.size(), bias.elements(), shape_string(weights.shape));
  std::vector<double> moved(static_cast<std::size_t>(columns));
  const float *w = weights.as<float>(), *scale = quantized.scales.data<float>();
  const std::int8_t* q = quantized.values.data<std::int8_t>();
  for (std::int64_t k = 0; k < rows; ++k)
    for (std::int64_t n = 0; n < columns; ++n, ++w, ++q)
      moved[static_cast<std::size_t>(n)] += static_cast<double>(mean[static_cast<std::size_t>(k)]) *
                                            (static_cast<double>(scale[n]) * *q - static_cast<double>(*w));
  Tensor made(DType::f32, bias.shape);
  for (std::int64_t n = 0; n < columns; ++n)
    made.data<float>()[n] = static_cast<float>(static_cast<double>(bias.as<float>()[n]) - moved[static_cast<std::size_t>(n)]);
  return made;
}

}  // namespace edgeclip::builder
