#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Operators about shapes: they read shapes, make tensors from them, or give the same elements another shape.
namespace edgeclip::engine {

namespace {

void infer_shape(ShapeContext& context) {
  const auto rank = static_cast<std::int64_t>(context.inputs[0].shape.size());
  const auto clamp = [&](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const std::int64_t start = clamp(context.node.int_or("start", 0)),
                     end = clamp(context.node.int_or("end", rank));
  add_output(context, DType::i64, {std::max<std::int64_t>(0, end - start)});
}

void run_shape(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const auto rank = static_cast<std::int64_t>(inputs[0].shape.size());
  const std::int64_t start = node.int_or("start", 0);
  const std::int64_t first = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
  std::copy_n(inputs[0].shape.begin() + first, outputs[0].elements(), outputs[0].as<std::int64_t>());
}

void infer_size(ShapeContext& context) { add_output(context, DType::i64, {}); }

void run_size(const Node&, const Inputs& inputs, const Outputs& outputs) {
  *outputs[0].as<std::int64_t>() = inputs[0].elements();
}

void infer_reshape(ShapeContext& context) {
  const Shape& from = context.inputs[0].shape;
  Shape to =
      context.node.has("shape") ? context.node.ints_or("shape", {}) : known_ints(context, 1, "its shape");
  const bool allow_zero = context.node.int_or("allowzero", 0) != 0;
  std::optional<std::size_t> unknown;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !allow_zero) {
      if (i >= from.size())
        refuse(context.node, "dimension {} of {} copies one that {} does not have", i, shape_string(to),
               shape_string(from));
      to[i] = from[i];
    } else if (to[i] == -1) {
      if (unknown) refuse(context.node, "shape {} has two dimensions of -1", shape_string(to));
      unknown = i;
    } else if (to[i] < 0) {
      refuse(context.node, "shape {} has a negative dimension", shape_string(to));
    }
  }
  Shape rest = to;
  if (unknown) rest[*unknown] = 1;
  std::uint64_t have = 0, want = 0;
  if (!checked_num_elements(from, &have) || !checked_num_elements(rest, &want))
    refuse(context.node, "size overflows: {}", shape_string(to));
  if (unknown) {
    if (want == 0 || have % want != 0)
      refuse(context.node, "{} cannot be reshaped to {}", shape_string(from), shape_string(to));
    to[*unknown] = static_cast<std::int64_t>(have / want);
  } else if (have != want) {
    refuse(context.node, "{} cannot be reshaped to {}: {} elements against {}", shape_string(from),
           shape_string(to), have, want);
  }
  add_output(context, context.inputs[0].dtype, to);
}

void infer_flatten(ShapeContext& context) {
  const Shape& shape = context.inputs[0].shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  std::int64_t axis = context.node.int_or("axis", 1);
  if (axis < -rank || axis > rank)
    refuse(context.node, "axis {} is out of range for {} dimensions", axis, rank);
  if (axis < 0) axis += rank;
  const auto a = static_cast<std::size_t>(axis);
  add_output(context, context.inputs[0].dtype, {product(shape, 0, a), product(shape, a, shape.size())});
}

void infer_squeeze(ShapeContext& context) {
  const Shape& from = context.inputs[0].shape;
  const bool all = !context.node.has("axes") && !context.node.has_input(1);
  const auto axes =
      normalize_axes(context.node, ints_attribute_or_input(context, "axes", 1, {}), from.size());
  Shape to;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool named = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (named && from[i] != 1) refuse(context.node, "dimension {} of {} is not 1", i, shape_string(from));
    if (!(named || (all && from[i] == 1))) to.push_back(from[i]);
  }
  add_output(context, context.inputs[0].dtype, to);
}

void infer_unsqueeze(ShapeContext& context) {
  const Shape& from = context.inputs[0].shape;
  const auto wanted = ints_attribute_or_input(context, "axes", 1, {});
  const auto axes = normalize_axes(context.node, wanted, from.size() + wanted.size());
  Shape to(from.size() + axes.size(), 0);
  for (const std::size_t a : axes) to[a] = 1;
  auto next = from.begin();
  for (std::size_t i = 0; i < to.size(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) to[i] = *next++;
  add_output(context, context.inputs[0].dtype, to);
}

/// y as x; the optional mask is all true.  Refuses training mode.
void infer_dropout(ShapeContext& context) {
  if (context.node.has_input(2)) {
    const TensorView& training = context.inputs[2];
    if (training.dtype != DType::boolean || num_elements(training.shape) != 1 || !training.data ||
        *training.as<bool>())
      unsupported(context.node, "is there for inference only");
  }
  infer_same(context);
  if (context.node.outputs.size() > 1) add_output(context, DType::boolean, context.inputs[0].shape);
}

void run_dropout(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  copy_elements(node, inputs, outputs);
  if (outputs.size() > 1 && outputs[1].data) std::fill_n(outputs[1].as<bool>(), outputs[1].elements(), true);
}

void infer_constant_of_shape(ShapeContext& context) {
  const Shape shape = known_ints(context, 0, "its shape");
  DType dtype = DType::f32;
  if (const auto it = context.node.attributes.find("value"); it != context.node.attributes.end()) {
    const Tensor& value = std::get<Tensor>(it->second);
    if (value.elements() != 1) refuse(context.node, "attribute value must have one element");
    dtype = value.dtype();
  }
  for (const auto d : shape)
    if (d < 0) refuse(context.node, "shape {} has a negative dimension", shape_string(shape));
  add_output(context, dtype, shape);
}

void run_constant_of_shape(const Node& node, const Inputs&, const Outputs& outputs) {
  const auto it = node.attributes.find("value");
  const std::size_t size = dtype_size(outputs[0].dtype);
  const auto n = static_cast<std::size_t>(outputs[0].elements());
  if (it == node.attributes.end()) {
    if (n > 0) std::memset(outputs[0].data, 0, n * size);
    return;
  }
  const std::byte* value = std::get<Tensor>(it->second).raw();
  for (std::size_t i = 0; i < n; ++i) std::memcpy(outputs[0].data + i * size, value, size);
}

void infer_range(ShapeContext& context) {
  const Node& node = context.node;
  for (std::size_t i = 0; i < 3; ++i) {
    require_same_dtype(context, 0, i);
    if (num_elements(context.inputs[i].shape) != 1) refuse(node, "input {} must be a scalar", i);
    if (!context.inputs[i].data) needs_data(node, "a start, limit or delta");
  }
  if (is_16_bit_float(context.inputs[0].dtype) && node.int_or("stash_type", 1) != 1)
    unsupported(node, "only stash_type 1 is there");
  // double is exact enough: ranges are far shorter than 2^53
  const double start = number_values(node, context.inputs[0])[0],
               limit = number_values(node, context.inputs[1])[0],
               delta = number_values(node, context.inputs[2])[0];
  const double count = std::ceil((limit - start) / delta);
  if (!(delta != 0) || !(count < 1e12)) refuse(node, "a range from {} to {} by {}", start, limit, delta);
  add_output(context, context.inputs[0].dtype, {static_cast<std::int64_t>(std::max(count, 0.0))});
}

void run_range(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T start = *inputs[0].as<T>(), delta = *inputs[2].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i)
      y[i] = static_cast<T>(start + static_cast<T>(i) * delta);
  });
}

}  // namespace

const std::vector<Operator>& shape_operators() {
  static const std::vector<Operator> rows = [] {
    std::vector<Operator> all = taking_16_bit_floats({
        {"Shape", "", 1, kNewestOpset, infer_shape, run_shape, 1, 1, 1, "start:i end:i", true},
        {"Size", "", 1, kNewestOpset, infer_size, run_size, 1, 1, 1, "", true},
        {"Reshape", "", 1, 4, infer_reshape, copy_elements, 1, 1, 1, "shape:I!"},
        {"Reshape", "", 5, kNewestOpset, infer_reshape, copy_elements, 2, 2, 1, "allowzero:i"},
        {"Flatten", "", 1, kNewestOpset, infer_flatten, copy_elements, 1, 1, 1, "axis:i"},
        {"Squeeze", "", 1, 12, infer_squeeze, copy_elements, 1, 1, 1, "axes:I"},
        {"Squeeze", "", 13, kNewestOpset, infer_squeeze, copy_elements, 1, 2},
        {"Unsqueeze", "", 1, 12, infer_unsqueeze, copy_elements, 1, 1, 1, "axes:I!"},
        {"Unsqueeze", "", 13, kNewestOpset, infer_unsqueeze, copy_elements, 2, 2},
        {"Identity", "", 1, kNewestOpset, infer_same, copy_elements, 1, 1},
        {"Dropout", "", 7, 11, infer_dropout, run_dropout, 1, 1, 2, "ratio:f"},
        {"Dropout", "", 12, kNewestOpset, infer_dropout, run_dropout, 1, 3, 2, "seed:i"},
        {"ConstantOfShape", "", 9, kNewestOpset, infer_constant_of_shape, run_constant_of_shape, 1, 1, 1,
         "value:t"},
    });
    all.push_back({"Range", "", 11, kNewestOpset, infer_range, run_range, 3, 3, 1, "stash_type:i"});
    return all;
  }();
  return rows;
}

}  // namespace edgeclip::engine
