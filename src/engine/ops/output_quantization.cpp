#include "engine/ops/output_quantization.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ops/quantization.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

std::int32_t zero_point_of(const Node& node, const char* name, std::optional<DType> dtype) {
  const std::int64_t value = node.int_or(name, 0), low = dtype == DType::u8 ? 0 : -128,
                     high = dtype == DType::i8 ? 127 : 255;
  if (value < low || value > high) refuse(node, "{} {} is not in {}..{}", name, value, low, high);
  return static_cast<std::int32_t>(value);
}

float scale_of(const Node& node, const char* name) {
  const float scale = node.float_or(name, 0);
  if (!(scale > 0) || !std::isfinite(scale)) refuse(node, "{} is not a positive number", name);
  return scale;
}

OutputQuantization output_quantization_of(const Node& node) {
  const std::string type = node.string_or("out_type", "");
  if (type.empty()) return {};
  if (type != "uint8" && type != "int8") refuse(node, "out_type is '{}', not uint8 or int8", printable(type));
  const DType dtype = type == "uint8" ? DType::u8 : DType::i8;
  return {dtype, scale_of(node, "out_scale"), zero_point_of(node, "out_zero_point", dtype)};
}

void store_output(const float* y, std::int64_t count, const OutputQuantization& how,
                  const OutputView& output) {
  if (!how.quantizes()) {
    std::copy_n(y, count, output.as<float>());
    return;
  }
  const auto store = [&](auto zero) {
    using T = decltype(zero);
    T* out = output.as<T>();
    for (std::int64_t i = 0; i < count; ++i) out[i] = quantize<T>(y[i], how.scale, zero);
  };
  if (how.dtype == DType::u8)
    store(static_cast<std::uint8_t>(how.zero_point));
  else
    store(static_cast<std::int8_t>(how.zero_point));
}

}  // namespace edgeclip::engine
