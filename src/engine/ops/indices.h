#pragma once

#include "engine/ops/support.h"

namespace edgeclip::engine {

/// Throws InvalidInput unless input i is int32 or int64.
inline void require_index_dtype(const ShapeContext& context, std::size_t i) {
  const DType dtype = context.inputs[i].dtype;
  if (dtype != DType::i32 && dtype != DType::i64)
    refuse(context.node, "indices must be int32 or int64, not {}", dtype_name(dtype));
}

/// Indices are read one by one: a token table is not copied first.
class Indices {
 public:
  explicit Indices(const TensorView& tensor)
      : narrow_(tensor.dtype == DType::i32 ? tensor.as<std::int32_t>() : nullptr),
        wide_(narrow_ ? nullptr : tensor.as<std::int64_t>()) {}
  std::int64_t at(const Node& node, std::int64_t i, std::int64_t limit) const {
    const std::int64_t index = tensor_is_narrow() ? narrow_[i] : wide_[i];
    if (index < -limit || index >= limit)
      refuse(node, "index {} is out of range for a dimension of {}", index, limit);
    return index < 0 ? index + limit : index;
  }

 private:
  bool tensor_is_narrow() const { return narrow_ != nullptr; }
  const std::int32_t* narrow_;
  const std::int64_t* wide_;
};

}  // namespace edgeclip::engine
