#include <cmath>
#include <cstring>
#include <limits>

#include "engine/ops/convert.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Cast between all element types, float16 and bfloat16 included (which only Cast and the kernels that move
/// elements know).
namespace edgeclip::engine {

namespace {

float from_bf16(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

std::uint16_t to_bf16(float value) {  // rounds to nearest, halves to even
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return 0x7fc0;
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_f16(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  float magnitude;
  if (exponent == 31)
    magnitude = mantissa ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  else if (exponent == 0)
    magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  else
    magnitude = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

std::uint16_t to_f16(float value) {  // rounds to nearest, halves to even
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  if (magnitude != magnitude) return sign | 0x7e00;
  if (magnitude >= 65520.0F) return sign | 0x7c00;
  if (magnitude < 6.103515625e-05F)  // below 2^-14: multiples of 2^-24
    return static_cast<std::uint16_t>(sign | static_cast<int>(std::nearbyint(std::ldexp(magnitude, 24))));
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);                          // [0.5, 1)
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));  // [1024, 2048]
  return static_cast<std::uint16_t>(sign |
                                    (((exponent + 13) << 10) + mantissa));  // 2048 carries into the exponent
}

template <class From, class To>
void convert_all(const From* x, To* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
}

DType wanted_dtype(const Node& node) {
  const std::int64_t to = node.int_or("to", 0);
  const std::optional<DType> dtype = onnx_dtype(to);
  if (!dtype) refuse(node, "cannot cast to element type {}", to);
  return *dtype;
}

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

void infer_cast(ShapeContext& context) {
  add_output(context, wanted_dtype(context.node), context.inputs[0].shape);
}

void run_cast(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t n = outputs[0].elements();
  const DType from = inputs[0].dtype, to = outputs[0].dtype;
  if (from == to) return copy_elements(node, inputs, outputs);
  if (is_half(from) || is_half(to)) {  // through float32
    std::vector<float> wide(static_cast<std::size_t>(n));
    if (is_half(from)) {
      const auto* x = storage<std::uint16_t>(inputs[0]);
      for (std::int64_t i = 0; i < n; ++i)
        wide[static_cast<std::size_t>(i)] = from == DType::f16 ? from_f16(x[i]) : from_bf16(x[i]);
    } else {
      visit_number_or_bool(node, from,
                           [&](auto type) { convert_all(inputs[0].as<decltype(type)>(), wide.data(), n); });
    }
    if (is_half(to)) {
      auto* y = storage<std::uint16_t>(outputs[0]);
      for (std::int64_t i = 0; i < n; ++i)
        y[i] = to == DType::f16 ? to_f16(wide[static_cast<std::size_t>(i)])
                                : to_bf16(wide[static_cast<std::size_t>(i)]);
    } else {
      visit_number_or_bool(node, to,
                           [&](auto type) { convert_all(wide.data(), outputs[0].as<decltype(type)>(), n); });
    }
    return;
  }
  visit_number_or_bool(node, from, [&](auto source) {
    visit_number_or_bool(node, to, [&](auto target) {
      convert_all(inputs[0].as<decltype(source)>(), outputs[0].as<decltype(target)>(), n);
    });
  });
}

void infer_cast_like(ShapeContext& context) {
  add_output(context, context.inputs[1].dtype, context.inputs[0].shape);
}

}  // namespace

const std::vector<Operator>& cast_operators() {
  static const std::vector<Operator> rows = {
      // saturate and round_mode only matter for 8-bit floats, which the engine does not have
      {"Cast", "", 6, kNewestOpset, infer_cast, run_cast, 1, 1, 1, "to:i! saturate:i round_mode:s"},
      {"CastLike", "", 15, kNewestOpset, infer_cast_like, run_cast, 2, 2, 1, "saturate:i round_mode:s"},
  };
  return rows;
}

}  // namespace edgeclip::engine
