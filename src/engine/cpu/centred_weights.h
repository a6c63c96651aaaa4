#pragma once

#include <cstdint>
#include <optional>

#include "base/tensor.h"
#include "engine/graph/graph.h"

namespace edgeclip::engine {

inline bool is_byte_constant(const TensorView& view) {
  return view.data && (view.dtype == DType::u8 || view.dtype == DType::i8);
}

/// Element i of a uint8 or int8 value.
inline std::int32_t byte_at(const TensorView& view, std::int64_t i) {
  return view.dtype == DType::u8 ? std::int32_t{view.as<std::uint8_t>()[i]}
                                 : std::int32_t{view.as<std::int8_t>()[i]};
}

/// 8-bit weights less their zero points (none where `zero` has no data; one for all, or one for each of the
/// `count` indices of a dimension behind which lie `inner` elements) as int8; nothing where an element does
/// not fit.
std::optional<Tensor> centred_weights(const TensorView& w, const TensorView& zero, std::int64_t count,
                                      std::int64_t inner);

}  // namespace edgeclip::engine
