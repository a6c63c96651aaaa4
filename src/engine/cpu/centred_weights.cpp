#include "engine/cpu/centred_weights.h"

namespace edgeclip::engine {

std::optional<Tensor> centred_weights(const TensorView& w, const TensorView& zero, std::int64_t count,
                                      std::int64_t inner) {
  Tensor result(DType::i8, w.shape);
  const bool many = zero.data && zero.elements() > 1;
  const std::int32_t one = zero.data && !many ? byte_at(zero, 0) : 0;
  for (std::int64_t i = 0; i < w.elements(); ++i) {
    const std::int32_t value = byte_at(w, i) - (many ? byte_at(zero, i / inner % count) : one);
    if (value < -128 || value > 127) return {};
    result.data<std::int8_t>()[i] = static_cast<std::int8_t>(value);
  }
  return result;
}

}  // namespace edgeclip::engine
