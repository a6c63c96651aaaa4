#include <algorithm>

#include "engine/ops/convert.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Tensors of ones at places that are computed: OneHot and EyeLike.
namespace edgeclip::engine {

namespace {

/// Any number type; floats are truncated, and what int64 does not hold is outside of every depth.
template <class T>
std::int64_t one_hot_index(T x) {
  if constexpr (std::is_same_v<T, std::uint64_t>)
    if (x > static_cast<T>(std::numeric_limits<std::int64_t>::max()))
      return std::numeric_limits<std::int64_t>::max();
  return convert<std::int64_t>(x);
}

/// Known ahead: it is a dimension of the output.
std::int64_t one_hot_depth(const ShapeContext& context) {
  const Node& node = context.node;
  const TensorView& depth = context.inputs[1];
  if (num_elements(depth.shape) != 1)
    refuse(node, "depth must be one number, not {}", shape_string(depth.shape));
  if (!is_float(depth.dtype) && !is_integer(depth.dtype)) unsupported_type(node, depth.dtype);
  if (!depth.data) needs_data(node, "depth");
  const std::int64_t value = one_hot_index(number_values(node, depth)[0]);
  if (value < 1) refuse(node, "depth is {}", value);
  return value;
}

/// The new axis may be the one after the last.
std::size_t one_hot_axis(const Node& node, std::size_t rank) {
  return normalize_axis(node, node.int_or("axis", -1), rank + 1);
}

/// indices, depth, values (off, on) -> indices with an axis of `depth` more.
void infer_one_hot(ShapeContext& context) {
  const Node& node = context.node;
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(node, dtype);
  if (context.inputs[2].shape != Shape{2})
    refuse(node, "values must be (off, on), not {}", shape_string(context.inputs[2].shape));
  Shape shape = context.inputs[0].shape;
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(one_hot_axis(node, shape.size())),
               one_hot_depth(context));
  add_output(context, context.inputs[2].dtype, shape);
}

/// Indices outside [-depth, depth) leave their row off; before opset 11 negative ones are outside, too.
void run_one_hot(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = one_hot_axis(node, shape.size());
  const std::int64_t outer = product(shape, 0, axis), inner = product(shape, axis, shape.size()),
                     depth = outputs[0].shape[axis], lowest = node.opset < 11 ? 0 : -depth;
  visit_storage(outputs[0].dtype, [&](auto storage_type) {
    using V = decltype(storage_type);
    const V off = storage<V>(inputs[2])[0], on = storage<V>(inputs[2])[1];
    V* y = storage<V>(outputs[0]);
    std::fill(y, y + outputs[0].elements(), off);
    visit_number(node, inputs[0].dtype, [&](auto type) {
      using T = decltype(type);
      const T* x = inputs[0].as<T>();
      for (std::int64_t o = 0; o < outer; ++o) {
        for (std::int64_t i = 0; i < inner; ++i) {
          const std::int64_t index = one_hot_index(*x++);
          if (index < lowest || index >= depth) continue;
          y[(o * depth + (index < 0 ? index + depth : index)) * inner + i] = on;
        }
      }
    });
  });
}

/// Ones at [i, i + k]; the input only gives the shape, and the type where `dtype` does not.
void infer_eye_like(ShapeContext& context) {
  const Node& node = context.node;
  require_rank(context, 0, 2);
  DType dtype = context.inputs[0].dtype;
  if (node.has("dtype")) {
    const std::optional<DType> wanted = onnx_dtype(node.int_or("dtype", 0));
    if (!wanted) unsupported(node, "element type {} is not there", node.int_or("dtype", 0));
    dtype = *wanted;
  }
  if (!is_float(dtype) && !is_integer(dtype) && dtype != DType::boolean) unsupported_type(node, dtype);
  add_output(context, dtype, context.inputs[0].shape);
}

void run_eye_like(const Node& node, const Inputs&, const Outputs& outputs) {
  const std::int64_t rows = outputs[0].shape[0], columns = outputs[0].shape[1], k = node.int_or("k", 0);
  visit_number_or_bool(node, outputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T* y = outputs[0].as<T>();
    std::fill(y, y + outputs[0].elements(), T(0));
    if (k <= -rows || k >= columns) return;  // outside, and no sum below overflows
    for (std::int64_t i = 0; i < rows; ++i)
      if (i + k >= 0 && i + k < columns) y[i * columns + i + k] = T(1);
  });
}

}  // namespace

const std::vector<Operator>& one_hot_operators() {
  static const std::vector<Operator> rows = {
      {"OneHot", "", 9, kNewestOpset, infer_one_hot, run_one_hot, 3, 3, 1, "axis:i"},
      {"EyeLike", "", 9, kNewestOpset, infer_eye_like, run_eye_like, 1, 1, 1, "dtype:i k:i", true},
  };
  return rows;
}

}  // namespace edgeclip::engine
