#include <algorithm>
#include <cstring>

#include "engine/ops/families.h"
#include "engine/ops/indices.h"
#include "engine/ops/support.h"

/// Operators that look up elements by index, or by a condition.  Negative indices count from the back; one
/// out of range is an InvalidInput, found when the node runs.
namespace edgeclip::engine {

namespace {

void infer_gather(ShapeContext& context) {
  const Shape &data = context.inputs[0].shape, &indices = context.inputs[1].shape;
  require_index_dtype(context, 1);
  const std::size_t axis = normalize_axis(context.node, context.node.int_or("axis", 0), data.size());
  Shape shape(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.begin(), indices.end());
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
  add_output(context, context.inputs[0].dtype, shape);
}

void run_gather(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& data = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
  const std::int64_t outer = product(data, 0, axis), limit = data[axis], count = inputs[1].elements();
  const std::size_t inner =
      static_cast<std::size_t>(product(data, axis + 1, data.size())) * dtype_size(inputs[0].dtype);
  const Indices indices(inputs[1]);
  std::byte* y = outputs[0].data;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < count; ++i, y += inner)
      std::memcpy(y,
                  inputs[0].data + static_cast<std::size_t>(o * limit + indices.at(node, i, limit)) * inner,
                  inner);
}

void infer_gather_elements(ShapeContext& context) {
  const Shape &data = context.inputs[0].shape, &indices = context.inputs[1].shape;
  require_index_dtype(context, 1);
  require_rank(context, 1, data.size());
  const std::size_t axis = normalize_axis(context.node, context.node.int_or("axis", 0), data.size());
  for (std::size_t d = 0; d < data.size(); ++d)
    if (d != axis && indices[d] > data[d])
      refuse(context.node, "indices {} reach beyond data {}", shape_string(indices), shape_string(data));
  add_output(context, context.inputs[0].dtype, indices);
}

void run_gather_elements(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &data = inputs[0].shape, &out = outputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
  const Shape own = strides_of(data), target = strides_of(out);
  const Indices indices(inputs[1]);
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      std::int64_t from = 0;
      for (std::size_t d = 0; d < out.size(); ++d)
        from += (d == axis ? indices.at(node, i, data[axis]) : i / target[d] % out[d]) * own[d];
      y[i] = x[from];
    }
  });
}

/// data: (batch..., a, b, ..., rest...), indices: (batch..., any..., k): out (batch..., any..., rest...),
/// where k indices pick one place in (a, b, ...).
void infer_gather_nd(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &data = context.inputs[0].shape, &indices = context.inputs[1].shape;
  if (context.inputs[1].dtype != DType::i64)
    refuse(node, "indices must be int64, not {}", dtype_name(context.inputs[1].dtype));
  const std::int64_t batch = node.int_or("batch_dims", 0);
  if (indices.empty() || data.empty() || batch < 0 ||
      batch >= static_cast<std::int64_t>(std::min(data.size(), indices.size())))
    refuse(node, "batch_dims {} with data {} and indices {}", batch, shape_string(data),
           shape_string(indices));
  const auto b = static_cast<std::size_t>(batch);
  const std::int64_t k = indices.back();
  if (k < 1 || k > static_cast<std::int64_t>(data.size() - b))
    refuse(node, "{} indices for data {}", k, shape_string(data));
  for (std::size_t d = 0; d < b; ++d)
    if (data[d] != indices[d])
      refuse(node, "batch dimensions of {} and {} differ", shape_string(data), shape_string(indices));
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(b) + k, data.end());
  add_output(context, context.inputs[0].dtype, shape);
}

void run_gather_nd(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &data = inputs[0].shape, &shape = inputs[1].shape;
  const auto batch_dims = static_cast<std::size_t>(node.int_or("batch_dims", 0)),
             k = static_cast<std::size_t>(shape.back());
  const Shape strides = strides_of(data);
  const std::int64_t batches = product(shape, 0, batch_dims),
                     picks = product(shape, batch_dims, shape.size() - 1);
  const std::int64_t per_batch = product(data, batch_dims, data.size());
  const std::size_t size = dtype_size(inputs[0].dtype);
  const std::size_t row = static_cast<std::size_t>(product(data, batch_dims + k, data.size())) * size;
  const Indices indices(inputs[1]);
  std::byte* y = outputs[0].data;
  for (std::int64_t b = 0; b < batches; ++b) {
    for (std::int64_t p = 0; p < picks; ++p, y += row) {
      std::int64_t from = b * per_batch;
      for (std::size_t j = 0; j < k; ++j)
        from +=
            indices.at(node, (b * picks + p) * static_cast<std::int64_t>(k) + static_cast<std::int64_t>(j),
                       data[batch_dims + j]) *
            strides[batch_dims + j];
      std::memcpy(y, inputs[0].data + static_cast<std::size_t>(from) * size, row);
    }
  }
}

/// The slices along `axis` (of the flattened input where it is left out) whose condition is true; a condition
/// may end early, which leaves out the rest.
void infer_compress(ShapeContext& context) {
  const Node& node = context.node;
  const TensorView& condition = context.inputs[1];
  Shape shape = context.inputs[0].shape;
  if (condition.dtype != DType::boolean)
    refuse(node, "its condition must be bool, not {}", dtype_name(condition.dtype));
  require_rank(context, 1, 1);
  if (shape.empty()) refuse(node, "a scalar has no slices");
  if (!node.has("axis")) shape = {num_elements(shape)};
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), shape.size());
  const std::int64_t count = condition.shape[0];
  if (count > shape[axis]) refuse(node, "{} conditions for {} slices", count, shape[axis]);
  if (count > 0 && !condition.data) needs_data(node, "the condition");
  shape[axis] = count > 0 ? std::count(condition.as<bool>(), condition.as<bool>() + count, true) : 0;
  add_output(context, context.inputs[0].dtype, shape);
}

void run_compress(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  Shape data = inputs[0].shape;
  if (!node.has("axis")) data = {num_elements(data)};
  const std::size_t axis = normalize_axis(node, node.int_or("axis", 0), data.size());
  const std::int64_t outer = product(data, 0, axis), count = inputs[1].elements();
  const std::size_t inner =
      static_cast<std::size_t>(product(data, axis + 1, data.size())) * dtype_size(inputs[0].dtype);
  std::byte* y = outputs[0].data;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!inputs[1].as<bool>()[i]) continue;
      std::memcpy(y, inputs[0].data + static_cast<std::size_t>(o * data[axis] + i) * inner, inner);
      y += inner;
    }
  }
}

}  // namespace

const std::vector<Operator>& gather_operators() {
  static const std::vector<Operator> rows = taking_16_bit_floats({
      {"Gather", "", 1, kNewestOpset, infer_gather, run_gather, 2, 2, 1, "axis:i"},
      {"GatherElements", "", 11, kNewestOpset, infer_gather_elements, run_gather_elements, 2, 2, 1, "axis:i"},
      {"GatherND", "", 11, kNewestOpset, infer_gather_nd, run_gather_nd, 2, 2, 1, "batch_dims:i"},
      {"Compress", "", 9, kNewestOpset, infer_compress, run_compress, 2, 2, 1, "axis:i"},
  });
  return rows;
}

}  // namespace edgeclip::engine
