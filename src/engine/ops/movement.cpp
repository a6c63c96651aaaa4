#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/ops/families.h"
#include "engine/ops/slice_ranges.h"
#include "engine/ops/support.h"

/// Operators that move elements without looking at them.
namespace edgeclip::engine {

namespace {

std::vector<std::size_t> permutation(const Node& node, std::size_t rank) {
  std::vector<std::int64_t> perm = node.ints_or("perm", {});
  if (perm.empty() && !node.has("perm"))
    for (std::size_t i = 0; i < rank; ++i) perm.push_back(static_cast<std::int64_t>(rank - 1 - i));
  if (perm.size() != rank) refuse(node, "perm has {} entries for {} dimensions", perm.size(), rank);
  for (const auto p : perm)
    if (p < 0) refuse(node, "perm holds {}", p);
  return normalize_axes(node, perm, rank);
}

void infer_transpose(ShapeContext& context) {
  Shape shape;
  for (const std::size_t p : permutation(context.node, context.inputs[0].shape.size()))
    shape.push_back(context.inputs[0].shape[p]);
  add_output(context, context.inputs[0].dtype, shape);
}

void run_transpose(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape own = strides_of(inputs[0].shape);
  Shape strides[1];
  for (const std::size_t p : permutation(node, own.size())) strides[0].push_back(own[p]);
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for_each_row(outputs[0].shape, strides,
                 [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
                   for (std::int64_t i = 0; i < n; ++i) *y++ = x[offsets[0] + i * steps[0]];
                 });
  });
}

void infer_concat(ShapeContext& context) {
  const Node& node = context.node;
  Shape shape = context.inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 1), shape.size());
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    require_same_dtype(context, 0, i);
    const Shape& other = context.inputs[i].shape;
    if (other.size() != shape.size())
      refuse(node, "{} and {} cannot be joined", shape_string(shape), shape_string(other));
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (d != axis && other[d] != shape[d])
        refuse(node, "{} and {} cannot be joined along axis {}", shape_string(shape), shape_string(other),
               axis);
    if (__builtin_add_overflow(shape[axis], other[axis], &shape[axis])) refuse(node, "output size overflows");
  }
  add_output(context, context.inputs[0].dtype, shape);
}

/// Calls copy(part, place in the part, place in the whole, bytes) for each row before the node's axis of each of
/// `parts`, which lie one behind the other along that axis of a whole of this shape; places in bytes.
template <class Parts, class Copy>
void for_each_row_of_parts(const Node& node, std::int64_t usual_axis, const Shape& whole, DType dtype,
                           const Parts& parts, Copy copy) {
  const std::size_t axis = normalize_axis(node, node.int_or("axis", usual_axis), whole.size());
  const auto row_bytes = [&](const Shape& shape) {
    return static_cast<std::size_t>(product(shape, axis, shape.size())) * dtype_size(dtype);
  };
  const auto rows = static_cast<std::size_t>(product(whole, 0, axis));
  const std::size_t step = row_bytes(whole);
  std::size_t offset = 0;
  for (const auto& part : parts) {
    const std::size_t bytes = row_bytes(part.shape);
    if (part.data && bytes > 0)
      for (std::size_t r = 0; r < rows; ++r) copy(part, r * bytes, r * step + offset, bytes);
    offset += bytes;
  }
}

void run_concat(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const auto copy = [&](const TensorView& part, std::size_t from, std::size_t to, std::size_t bytes) {
    std::memcpy(outputs[0].data + to, part.data + from, bytes);
  };
  for_each_row_of_parts(node, 1, outputs[0].shape, outputs[0].dtype, inputs, copy);
}

std::vector<std::int64_t> split_sizes(const Node& node, std::int64_t dimension,
                                      std::vector<std::int64_t> sizes) {
  const auto parts = static_cast<std::int64_t>(node.outputs.size());
  if (sizes.empty()) {
    if (node.int_or("num_outputs", parts) != parts)
      refuse(node, "num_outputs is {}, it has {}", node.int_or("num_outputs", 0), parts);
    if (dimension % parts != 0 && !node.has("num_outputs"))
      refuse(node, "{} cannot be split into {} equal parts", dimension, parts);
    const std::int64_t each = (dimension + parts - 1) / parts;
    for (std::int64_t left = dimension; static_cast<std::int64_t>(sizes.size()) < parts; left -= each)
      sizes.push_back(std::clamp<std::int64_t>(left, 0, each));
  }
  std::int64_t left = dimension;
  for (const auto s : sizes) {
    if (s < 0 || s > left) refuse(node, "its parts do not add up to {}", dimension);
    left -= s;
  }
  if (left != 0 || sizes.size() != node.outputs.size())
    refuse(node, "its {} parts do not make {} outputs of {}", sizes.size(), node.outputs.size(), dimension);
  return sizes;
}

void infer_split(ShapeContext& context) {
  Shape shape = context.inputs[0].shape;
  const std::size_t axis = normalize_axis(context.node, context.node.int_or("axis", 0), shape.size());
  for (const auto size :
       split_sizes(context.node, shape[axis], ints_attribute_or_input(context, "split", 1, {}))) {
    shape[axis] = size;
    add_output(context, context.inputs[0].dtype, shape);
  }
}

void run_split(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const auto copy = [&](const OutputView& part, std::size_t to, std::size_t from, std::size_t bytes) {
    std::memcpy(part.data + to, inputs[0].data + from, bytes);
  };
  for_each_row_of_parts(node, 0, inputs[0].shape, inputs[0].dtype, outputs, copy);
}

void infer_slice(ShapeContext& context) {
  const Shape& shape = context.inputs[0].shape;
  const auto ranges = slice_ranges(context.node, shape, ints_attribute_or_input(context, "starts", 1, {}),
                                   ints_attribute_or_input(context, "ends", 2, {}),
                                   ints_attribute_or_input(context, "axes", 3, {}),
                                   ints_attribute_or_input(context, "steps", 4, {}));
  Shape out;
  for (const auto& range : ranges) out.push_back(range.count);
  add_output(context, context.inputs[0].dtype, out);
}

void run_slice(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape own = strides_of(inputs[0].shape);
  const auto ranges =
      slice_ranges(node, inputs[0].shape, ints_attribute_or_input(node, inputs, "starts", 1, {}),
                   ints_attribute_or_input(node, inputs, "ends", 2, {}),
                   ints_attribute_or_input(node, inputs, "axes", 3, {}),
                   ints_attribute_or_input(node, inputs, "steps", 4, {}));
  std::int64_t first = 0;
  Shape strides[1];
  for (std::size_t d = 0; d < own.size(); ++d) {
    first += ranges[d].start * own[d];
    strides[0].push_back(ranges[d].step * own[d]);
  }
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for_each_row(outputs[0].shape, strides,
                 [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
                   for (std::int64_t i = 0; i < n; ++i) *y++ = x[first + offsets[0] + i * steps[0]];
                 });
  });
}

void infer_expand(ShapeContext& context) {
  const Shape wanted = known_ints(context, 1, "its shape");
  for (const auto d : wanted)
    if (d < 0) refuse(context.node, "shape {} has a negative dimension", shape_string(wanted));
  add_output(context, context.inputs[0].dtype,
             broadcast_shapes(context.node, context.inputs[0].shape, wanted));
}

void run_expand(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const Shape strides[1] = {broadcast_strides(inputs[0].shape, outputs[0].shape)};
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for_each_row(outputs[0].shape, strides,
                 [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
                   for (std::int64_t i = 0; i < n; ++i) *y++ = x[offsets[0] + i * steps[0]];
                 });
  });
}

void infer_tile(ShapeContext& context) {
  const auto repeats = known_ints(context, 1, "its repeats");
  Shape shape = context.inputs[0].shape;
  if (repeats.size() != shape.size())
    refuse(context.node, "{} repeats for {} dimensions", repeats.size(), shape.size());
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (repeats[d] < 0 || __builtin_mul_overflow(shape[d], repeats[d], &shape[d]))
      refuse(context.node, "{} repeats overflow", repeats[d]);
  add_output(context, context.inputs[0].dtype, shape);
}

void run_tile(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const Shape &in = inputs[0].shape, &out = outputs[0].shape;
  const Shape own = strides_of(in), target = strides_of(out);
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      std::int64_t from = 0;
      for (std::size_t d = 0; d < out.size(); ++d) from += i / target[d] % out[d] % in[d] * own[d];
      y[i] = x[from];
    }
  });
}

void infer_trilu(ShapeContext& context) {
  if (context.inputs[0].shape.size() < 2)
    refuse(context.node, "needs a matrix, not {}", shape_string(context.inputs[0].shape));
  if (context.node.has_input(1) &&
      (context.inputs[1].dtype != DType::i64 || num_elements(context.inputs[1].shape) != 1))
    refuse(context.node, "k must be one int64");
  infer_same(context);
}

void run_trilu(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::int64_t rows = shape[shape.size() - 2], columns = shape.back();
  const bool upper = node.int_or("upper", 1) != 0;
  // beyond the matrix it makes no difference, and sums stay far from overflow
  const std::int64_t k =
      node.has_input(1) ? std::clamp(*inputs[1].as<std::int64_t>(), -rows - 1, columns + 1) : 0;
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      const std::int64_t row = i / columns % rows, column = i % columns;
      y[i] = (upper ? column - row >= k : column - row <= k) ? x[i] : T(0);
    }
  });
}

}  // namespace

std::vector<SliceRange> slice_ranges(const Node& node, const Shape& shape,
                                     const std::vector<std::int64_t>& starts,
                                     const std::vector<std::int64_t>& ends, std::vector<std::int64_t> axes,
                                     std::vector<std::int64_t> steps) {
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    refuse(node, "starts, ends, axes and steps differ in length");
  std::vector<SliceRange> ranges(shape.size());
  for (std::size_t d = 0; d < shape.size(); ++d) ranges[d].count = shape[d];
  const auto normalized = normalize_axes(node, axes, shape.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t n = shape[normalized[i]], step = steps[i];
    if (step == 0 || step == INT64_MIN) refuse(node, "a step of {}", step);
    const auto place = [&](std::int64_t p) { return p < 0 ? (p < -n ? std::int64_t{-1} : p + n) : p; };
    SliceRange& range = ranges[normalized[i]];
    range.step = step;
    if (step > 0) {
      range.start = std::clamp<std::int64_t>(place(starts[i]), 0, n);
      const std::int64_t end = std::clamp<std::int64_t>(place(ends[i]), 0, n);
      range.count = end > range.start ? (end - range.start - 1) / step + 1 : 0;
    } else {
      range.start = std::clamp<std::int64_t>(place(starts[i]), -1, n - 1);
      const std::int64_t end = std::clamp<std::int64_t>(place(ends[i]), -1, n - 1);
      range.count = end < range.start ? (range.start - end - 1) / -step + 1 : 0;
    }
  }
  return ranges;
}

const std::vector<Operator>& movement_operators() {
  constexpr int kMany = Operator::kAnyNumber;
  static const std::vector<Operator> rows = taking_16_bit_floats({
      {"Transpose", "", 1, kNewestOpset, infer_transpose, run_transpose, 1, 1, 1, "perm:I"},
      {"Concat", "", 4, kNewestOpset, infer_concat, run_concat, 1, kMany, 1, "axis:i!"},
      {"Split", "", 2, 12, infer_split, run_split, 1, 1, kMany, "axis:i split:I"},
      {"Split", "", 13, kNewestOpset, infer_split, run_split, 1, 2, kMany, "axis:i num_outputs:i"},
      {"Slice", "", 1, 9, infer_slice, run_slice, 1, 1, 1, "starts:I! ends:I! axes:I"},
      {"Slice", "", 10, kNewestOpset, infer_slice, run_slice, 3, 5},
      {"Expand", "", 8, kNewestOpset, infer_expand, run_expand, 2, 2},
      {"Tile", "", 6, kNewestOpset, infer_tile, run_tile, 2, 2},
      {"Trilu", "", 14, kNewestOpset, infer_trilu, run_trilu, 1, 2, 1, "upper:i"},
  });
  return rows;
}

}  // namespace edgeclip::engine
