#include "base/float16.h"

namespace edgeclip {

namespace {

template <class T>
void widen_all(const T* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

template <class T>
void narrow_all(const float* from, T* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = T(from[i]);
}

}  // namespace

Tensor widened(const TensorView& tensor) {
  EDGECLIP_CHECK(is_16_bit_float(tensor.dtype), "{} is no 16-bit float", dtype_name(tensor.dtype));
  Tensor wide(DType::f32, tensor.shape);
  const std::int64_t n = tensor.elements();
  if (tensor.dtype == DType::f16)
    widen_all(tensor.as<Half>(), wide.data<float>(), n);
  else
    widen_all(tensor.as<BFloat16>(), wide.data<float>(), n);
  return wide;
}

void narrow(const float* from, DType dtype, std::byte* to, std::int64_t n) {
  EDGECLIP_CHECK(is_16_bit_float(dtype), "{} is no 16-bit float", dtype_name(dtype));
  if (dtype == DType::f16)
    narrow_all(from, reinterpret_cast<Half*>(to), n);
  else
    narrow_all(from, reinterpret_cast<BFloat16*>(to), n);
}

}  // namespace edgeclip
