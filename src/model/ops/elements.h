#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "base/error.h"

/// Tensors as the passes over memory see them: float32, or bfloat16 as its bits (std::uint16_t), dense, on
/// the CPU.
namespace edgeclip::ops {

inline bool has_elements(const torch::Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
}

/// T is what x holds.  Null without elements.
template <class T>
T* elements(const torch::Tensor& x) {
  EDGECLIP_CHECK(has_elements(x) && x.is_contiguous() && x.element_size() == sizeof(T));
  return static_cast<T*>(x.data_ptr());
}

/// body(pointer to x's elements).
template <class Body>
void with_elements(const torch::Tensor& x, const Body& body) {
  if (x.scalar_type() == torch::kBFloat16)
    body(static_cast<const std::uint16_t*>(elements<std::uint16_t>(x)));
  else
    body(static_cast<const float*>(elements<float>(x)));
}

}  // namespace edgeclip::ops
