#include "base/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace edgeclip {

std::size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
    case DType::u64:
      return 8;
    case DType::f32:
    case DType::i32:
    case DType::u32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
    case DType::u16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  EDGECLIP_CHECK(false, "dtype {}", static_cast<int>(dtype));
}

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float32";
    case DType::f64:
      return "float64";
    case DType::f16:
      return "float16";
    case DType::bf16:
      return "bfloat16";
    case DType::i8:
      return "int8";
    case DType::u8:
      return "uint8";
    case DType::i16:
      return "int16";
    case DType::u16:
      return "uint16";
    case DType::i32:
      return "int32";
    case DType::u32:
      return "uint32";
    case DType::i64:
      return "int64";
    case DType::u64:
      return "uint64";
    case DType::boolean:
      return "bool";
  }
  EDGECLIP_CHECK(false, "dtype {}", static_cast<int>(dtype));
}

bool checked_num_elements(const Shape& shape, std::uint64_t* count) {
  std::uint64_t n = 1;
  bool zero = false;
  for (const auto d : shape) {
    if (d < 0) return false;
    if (d == 0)
      zero = true;
    else if (__builtin_mul_overflow(n, static_cast<std::uint64_t>(d), &n))
      return false;
  }
  *count = zero ? 0 : n;
  return n <= (std::uint64_t{1} << 59);
}

std::int64_t num_elements(const Shape& shape) {
  std::uint64_t n = 0;
  EDGECLIP_CHECK(checked_num_elements(shape, &n), "shape {}", shape_string(shape));
  return static_cast<std::int64_t>(n);
}

std::string shape_string(const Shape& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  const std::size_t size = (bytes() + 63) / 64 * 64 + 64;
  void* p = std::aligned_alloc(64, size);
  if (!p) throw std::bad_alloc();
  std::memset(p, 0, size);
  storage_ = std::shared_ptr<const std::byte>(
      static_cast<const std::byte*>(p), [](const std::byte* q) { std::free(const_cast<std::byte*>(q)); });
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<const std::byte> storage)
    : dtype_(dtype), shape_(std::move(shape)), storage_(std::move(storage)) {}

Tensor Tensor::reshaped(Shape shape) const {
  EDGECLIP_CHECK(num_elements(shape) == elements(), "{} as {}", shape_string(shape_), shape_string(shape));
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::clone() const {
  Tensor t(dtype_, shape_);
  if (bytes() > 0) std::memcpy(t.raw(), raw(), bytes());
  return t;
}

}  // namespace edgeclip
