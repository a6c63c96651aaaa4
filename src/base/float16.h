#pragma once

#include <cstdint>
#include <cstring>

#include "base/tensor.h"

/// The 16-bit floats that tensors hold: IEEE 754 binary16, and bfloat16 (the upper half of a binary32).  They
/// are for storage: arithmetic is done in float, which holds every value of either.
///
/// To 16 bits: rounds to nearest, halves to even; beyond the largest value gives infinity.  A NaN keeps its
/// sign and the upper bits of its payload, so float(x) and back gives every bit pattern again, NaN included.
namespace edgeclip {

namespace detail {

inline std::uint32_t float_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// A double as a float rounded to odd (an inexact result has its last bit set): rounding that once more to 11
/// bits or fewer gives what rounding the double itself would (Boldo and Melquiond, 2008).
inline float rounded_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  const auto back = static_cast<double>(nearest);
  std::uint32_t bits = float_bits(nearest);
  if (back == value || value != value || (bits & 1) != 0) return nearest;
  const double away = back < 0 ? -back : back, from = value < 0 ? -value : value;
  bits = away > from ? bits - 1 : bits + 1;
  return float_of_bits(bits);
}

}  // namespace detail

struct Half {
  std::uint16_t bits = 0;

  Half() = default;
  explicit Half(float value) : bits(narrow(value)) {}
  explicit Half(double value) : bits(narrow(detail::rounded_to_odd(value))) {}
  static Half of_bits(std::uint16_t bits) {
    Half half;
    half.bits = bits;
    return half;
  }

  explicit operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16, exponent = bits >> 10 & 31,
                        mantissa = bits & 1023;
    if (exponent == 0) {  // a multiple of 2^-24
      const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
      return sign != 0 ? -magnitude : magnitude;
    }
    const std::uint32_t wide = exponent == 31 ? 0x7f800000U : (exponent + 112) << 23;
    return detail::float_of_bits(sign | wide | mantissa << 13);
  }

 private:
  static std::uint16_t narrow(float value) {
    const std::uint32_t all = detail::float_bits(value), magnitude = all & 0x7fffffffU;
    const auto sign = static_cast<std::uint16_t>(all >> 16 & 0x8000U);
    if (magnitude > 0x7f800000U) {  // NaN
      const auto payload = static_cast<std::uint16_t>(magnitude >> 13 & 1023U);
      return static_cast<std::uint16_t>(sign | 0x7c00 | (payload != 0 ? payload : 0x200));
    }
    if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00);  // 65520 and more
    if (magnitude < 0x38800000U) {
      // Below 2^-14.  The unit of 0.5's last place is 2^-24: the sum is rounded to what there is.
      const float sum = detail::float_of_bits(magnitude) + 0.5F;
      return static_cast<std::uint16_t>(sign | (detail::float_bits(sum) - 0x3f000000U));
    }
    const std::uint32_t rounded = magnitude + 0xfffU + (magnitude >> 13 & 1U);
    return static_cast<std::uint16_t>(sign | (rounded - 0x38000000U) >> 13);
  }
};

struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) : bits(narrow(value)) {}
  explicit BFloat16(double value) : bits(narrow(detail::rounded_to_odd(value))) {}
  static BFloat16 of_bits(std::uint16_t bits) {
    BFloat16 value;
    value.bits = bits;
    return value;
  }

  explicit operator float() const { return detail::float_of_bits(std::uint32_t{bits} << 16); }

 private:
  static std::uint16_t narrow(float value) {
    const std::uint32_t all = detail::float_bits(value);
    if ((all & 0x7fffffffU) > 0x7f800000U) {  // NaN
      const auto upper = static_cast<std::uint16_t>(all >> 16);
      return (upper & 0x7f) != 0 ? upper : static_cast<std::uint16_t>(upper | 0x40);
    }
    return static_cast<std::uint16_t>((all + 0x7fffU + (all >> 16 & 1U)) >> 16);
  }
};

template <>
struct DTypeOf<Half> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};

/// float16 and bfloat16.
inline bool is_16_bit_float(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

/// The elements of a 16-bit float tensor as float32, of the same shape.  CHECKs the type.
Tensor widened(const TensorView& tensor);
/// n floats as elements of a 16-bit float type.  CHECKs the type.
void narrow(const float* from, DType dtype, std::byte* to, std::int64_t n);

}  // namespace edgeclip
