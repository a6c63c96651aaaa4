#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "base/tensor.h"

namespace edgeclip::engine {

/// Floats to integers truncate; what does not fit saturates and NaN becomes 0 (C++ leaves both undefined).
template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (x != x) return 0;
    if (x <= static_cast<From>(std::numeric_limits<To>::lowest())) return std::numeric_limits<To>::lowest();
    if (x >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

/// The element type that attributes of ONNX write as a number of TensorProto.DataType; nothing for those the
/// engine does not hold (8-bit and smaller floats, 4-bit integers, strings, complex numbers).
inline std::optional<DType> onnx_dtype(std::int64_t number) {
  switch (number) {
    case 1:
      return DType::f32;
    case 2:
      return DType::u8;
    case 3:
      return DType::i8;
    case 4:
      return DType::u16;
    case 5:
      return DType::i16;
    case 6:
      return DType::i32;
    case 7:
      return DType::i64;
    case 9:
      return DType::boolean;
    case 10:
      return DType::f16;
    case 11:
      return DType::f64;
    case 12:
      return DType::u32;
    case 13:
      return DType::u64;
    case 16:
      return DType::bf16;
    default:
      return {};
  }
}

}  // namespace edgeclip::engine
