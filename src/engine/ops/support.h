#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/ops/operator.h"

/// What shape rules and reference kernels share.
namespace edgeclip::engine {

/// The newest opset whose operators were compared with; newer models are refused.  A row that ends here has
/// meant the same in every version since its first one (later versions only admit more types).
inline constexpr int kNewestOpset = 28;

/// "node 'mm' (MatMul, opset 17)"; names are printed as one line of valid text whatever they hold.
std::string node_label(const Node& node);
std::string printable(const std::string& name);

template <class... Args>
[[noreturn]] void refuse(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
  throw InvalidInput(node_label(node) + ": " + fmt::format(format, std::forward<Args>(args)...));
}

/// Nothing is wrong with the model, but the engine does not have this operator, or not this variant of it.
struct Unsupported : InvalidInput {
  using InvalidInput::InvalidInput;
};

template <class... Args>
[[noreturn]] void unsupported(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
  throw Unsupported(node_label(node) + ": " + fmt::format(format, std::forward<Args>(args)...));
}
[[noreturn]] inline void unsupported_type(const Node& node, DType dtype) {
  unsupported(node, "is not there for {}", dtype_name(dtype));
}

/// A shape rule needs data that is only there when the graph runs (a Reshape to a shape that is an input,
/// ...): the shape cannot be planned ahead.
struct DependsOnData : Unsupported {
  using Unsupported::Unsupported;
};
[[noreturn]] void needs_data(const Node& node, const char* what);

/// -rank <= axis < rank, counted from the front.  Throws InvalidInput otherwise.
std::size_t normalize_axis(const Node& node, std::int64_t axis, std::size_t rank);
/// The same for several, which must differ.
std::vector<std::size_t> normalize_axes(const Node& node, const std::vector<std::int64_t>& axes,
                                        std::size_t rank);

/// Elements of a tensor of numbers; int64 beyond 2^53 are rounded.
std::vector<double> number_values(const Node& node, const TensorView& tensor);
/// Elements of an int32 or int64 tensor.
std::vector<std::int64_t> int_values(const Node& node, const TensorView& tensor);
/// Input i, which a shape depends on: known now, or DependsOnData.
std::vector<std::int64_t> known_ints(const ShapeContext& context, std::size_t i, const char* what);
/// The attribute `name`, or input i where that is how the opset passes it, or `otherwise`.
std::vector<std::int64_t> ints_attribute_or_input(const ShapeContext& context, const char* name,
                                                  std::size_t i, const std::vector<std::int64_t>& otherwise);
/// The same inside a kernel.
std::vector<std::int64_t> ints_attribute_or_input(const Node& node, const Inputs& inputs, const char* name,
                                                  std::size_t i, const std::vector<std::int64_t>& otherwise);

/// Adds an output.  Throws InvalidInput if its size overflows or is beyond what any machine holds.
void add_output(ShapeContext& context, DType dtype, Shape shape);
/// Throws InvalidInput unless inputs a and b have the same type.
void require_same_dtype(const ShapeContext& context, std::size_t a, std::size_t b);
/// What elements of this type are computed as: float32 for float16 and bfloat16, else the type itself.
DType computed_dtype(DType dtype);
/// Throws InvalidInput unless inputs a and b are computed as one type: float16 may meet float32.
void require_same_computed_dtype(const ShapeContext& context, std::size_t a, std::size_t b);
void require_float(const ShapeContext& context, std::size_t i);
void require_byte(const ShapeContext& context, std::size_t i);  ///< int8 or uint8
void require_rank(const ShapeContext& context, std::size_t i, std::size_t rank);
bool is_float(DType dtype);    ///< float16, bfloat16, float32, float64
bool is_integer(DType dtype);  ///< signed and unsigned, not bool

/// Output as input 0.
void infer_same(ShapeContext& context);
/// The same, for floats only.
void infer_same_float(ShapeContext& context);

/// NumPy's broadcasting.  Throws InvalidInput if the shapes do not fit.
Shape broadcast_shapes(const Node& node, const Shape& a, const Shape& b);
/// Whether `from` broadcasts to exactly `to` (unidirectional).
bool broadcasts_to(const Shape& from, const Shape& to);
/// Row-major strides in elements.
Shape strides_of(const Shape& shape);
/// Strides of `shape` seen as `out`: 0 along broadcast dimensions.
Shape broadcast_strides(const Shape& shape, const Shape& out);

/// Walks `shape` in row-major order, keeping one offset per stride list: visit(offsets, count, steps) once
/// per row, where a row is the last dimension.  Output element order is the order of the visits.
template <std::size_t N, class Visit>
void for_each_row(const Shape& shape, const Shape (&strides)[N], Visit visit) {
  const std::int64_t total = num_elements(shape);
  if (total == 0) return;
  const std::size_t rank = shape.size();
  std::int64_t offsets[N] = {}, steps[N] = {};
  if (rank == 0) {
    visit(static_cast<const std::int64_t*>(offsets), std::int64_t{1},
          static_cast<const std::int64_t*>(steps));
    return;
  }
  for (std::size_t k = 0; k < N; ++k) steps[k] = strides[k][rank - 1];
  const std::int64_t row = shape[rank - 1], rows = total / row;
  std::vector<std::int64_t> index(rank, 0);
  for (std::int64_t r = 0; r < rows; ++r) {
    visit(static_cast<const std::int64_t*>(offsets), row, static_cast<const std::int64_t*>(steps));
    for (std::size_t d = rank - 1; d-- > 0;) {
      for (std::size_t k = 0; k < N; ++k) offsets[k] += strides[k][d];
      if (++index[d] < shape[d]) break;
      for (std::size_t k = 0; k < N; ++k) offsets[k] -= strides[k][d] * shape[d];
      index[d] = 0;
    }
  }
}

/// Product of shape[begin, end).
std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end);

/// Calls f(T{}) for the element type; the types each visitor has are in its name.  Throws InvalidInput for
/// others, 16-bit floats among them: kernels see these as float32 (run_reference_kernel()).
template <class F>
void visit_float(const Node& node, DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    default:
      unsupported_type(node, dtype);
  }
}

template <class F>
void visit_integer(const Node& node, DType dtype, F f) {
  switch (dtype) {
    case DType::i8:
      return f(std::int8_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::u16:
      return f(std::uint16_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::u64:
      return f(std::uint64_t{});
    default:
      unsupported_type(node, dtype);
  }
}

template <class F>
void visit_number(const Node& node, DType dtype, F f) {
  if (is_float(dtype)) return visit_float(node, dtype, f);
  visit_integer(node, dtype, f);
}

template <class F>
void visit_number_or_bool(const Node& node, DType dtype, F f) {
  if (dtype == DType::boolean) return f(bool{});
  visit_number(node, dtype, f);
}

/// For kernels that only move elements: an unsigned integer of the element's size.
template <class F>
void visit_storage(DType dtype, F f) {
  switch (dtype_size(dtype)) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

template <class T>
const T* storage(const TensorView& tensor) {
  return reinterpret_cast<const T*>(tensor.data);
}
template <class T>
T* storage(const OutputView& tensor) {
  return reinterpret_cast<T*>(tensor.data);
}

/// Copies the elements as they are: for everything that only changes the shape.
void copy_elements(const Node& node, const Inputs& inputs, const Outputs& outputs);

}  // namespace edgeclip::engine
