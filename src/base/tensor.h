#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace edgeclip {

enum class DType : std::uint8_t { f32, f64, f16, bf16, i8, u8, i16, u16, i32, u32, i64, u64, boolean };

std::size_t dtype_size(DType dtype);  ///< bytes of one element
const char* dtype_name(DType dtype);  ///< "float32", "int64", "bool": NumPy's names ("bfloat16" too)

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<std::uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};

using Shape = std::vector<std::int64_t>;

/// Product of the dimensions; 1 for a scalar.  CHECKs against negative dimensions and overflow.
std::int64_t num_elements(const Shape& shape);
/// The same for dimensions from a file: false instead of a CHECK.
bool checked_num_elements(const Shape& shape, std::uint64_t* count);
std::string shape_string(const Shape& shape);  ///< "(2, 3, 224, 224)"

/// A dense row-major tensor that somebody else owns.  Cheap to copy; valid only as long as its owner.
struct TensorView {
  DType dtype = DType::f32;
  Shape shape;
  const std::byte* data = nullptr;

  std::int64_t elements() const { return num_elements(shape); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * dtype_size(dtype); }
  /// The elements as T.  CHECKs the type.
  template <class T>
  const T* as() const {
    EDGECLIP_CHECK(dtype == DTypeOf<T>::value, "tensor is {}, not {}", dtype_name(dtype),
                   dtype_name(DTypeOf<T>::value));
    return reinterpret_cast<const T*>(data);
  }
};

/// A dense row-major tensor with its storage, 64-byte aligned.  Copies share the storage.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);  ///< zero-filled
  Tensor(DType dtype, Shape shape,
         std::shared_ptr<const std::byte> storage);  ///< shared, read-only by convention

  template <class T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) {
    Tensor t(DTypeOf<T>::value, shape);
    EDGECLIP_CHECK(t.elements() == static_cast<std::int64_t>(values.size()), "{} values for shape {}",
                   values.size(), shape_string(shape));
    for (std::size_t i = 0; i < values.size(); ++i) t.data<T>()[i] = values[i];
    return t;
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t dim(int i) const {
    return shape_.at(static_cast<std::size_t>(i < 0 ? i + static_cast<int>(shape_.size()) : i));
  }
  std::int64_t elements() const { return num_elements(shape_); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * dtype_size(dtype_); }
  bool defined() const { return storage_ != nullptr; }
  /// The same storage under another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  /// Own copy of the storage.
  Tensor clone() const;

  template <class T>
  T* data() {
    EDGECLIP_CHECK(dtype_ == DTypeOf<T>::value, "tensor is {}, not {}", dtype_name(dtype_),
                   dtype_name(DTypeOf<T>::value));
    return reinterpret_cast<T*>(raw());
  }
  template <class T>
  const T* data() const {
    return view().as<T>();
  }
  std::byte* raw() { return const_cast<std::byte*>(storage_.get()); }
  const std::byte* raw() const { return storage_.get(); }
  TensorView view() const { return {dtype_, shape_, storage_.get()}; }

 private:
  DType dtype_ = DType::f32;
  Shape shape_;
  std::shared_ptr<const std::byte> storage_;
};

}  // namespace edgeclip
