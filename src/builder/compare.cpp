#include "builder/compare.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/float16.h"

namespace edgeclip::builder {

namespace {

template <class T>
std::string real_difference(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  for (std::int64_t i = 0; i < got.elements(); ++i) {
    const double g = static_cast<double>(got.data<T>()[i]), w = static_cast<double>(want.data<T>()[i]);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    if (!(std::fabs(g - w) <= tolerance.atol + tolerance.rtol * std::fabs(w)))
      return fmt::format("element {} is {}, not {}", i, g, w);
  }
  return "";
}

template <class T>
std::string integer_difference(const Tensor& got, const Tensor& want, std::int64_t most) {
  for (std::int64_t i = 0; i < got.elements(); ++i) {
    const std::int64_t g = static_cast<std::int64_t>(got.data<T>()[i]),
                       w = static_cast<std::int64_t>(want.data<T>()[i]);
    if (g != w && (g > w ? g - w : w - g) > most) return fmt::format("element {} is {}, not {}", i, g, w);
  }
  return "";
}

std::string byte_difference(const Tensor& got, const Tensor& want) {
  const bool same = got.bytes() == 0 || std::memcmp(got.raw(), want.raw(), got.bytes()) == 0;
  return same ? "" : "differs";
}

}  // namespace

std::string difference(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return fmt::format("is {} {}, not {} {}", dtype_name(got.dtype()), shape_string(got.shape()),
                       dtype_name(want.dtype()), shape_string(want.shape()));
  if (is_16_bit_float(got.dtype())) {
    Tolerance wide = tolerance;
    if (got.dtype() == DType::bf16) wide.rtol *= 8;
    return real_difference<float>(widened(got.view()), widened(want.view()), wide);
  }
  switch (got.dtype()) {
    case DType::f32:
      return real_difference<float>(got, want, tolerance);
    case DType::f64:
      return real_difference<double>(got, want, tolerance);
    case DType::i8:
      return integer_difference<std::int8_t>(got, want, tolerance.integers);
    case DType::u8:
      return integer_difference<std::uint8_t>(got, want, tolerance.integers);
    case DType::i16:
      return integer_difference<std::int16_t>(got, want, tolerance.integers);
    case DType::u16:
      return integer_difference<std::uint16_t>(got, want, tolerance.integers);
    case DType::i32:
      return integer_difference<std::int32_t>(got, want, tolerance.integers);
    default:
      return byte_difference(got, want);
  }
}

}  // namespace edgeclip::builder
