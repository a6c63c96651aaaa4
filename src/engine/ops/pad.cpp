#include <algorithm>
#include <cstring>

#include "base/float16.h"
#include "engine/ops/families.h"
#include "engine/ops/pads.h"
#include "engine/ops/support.h"

/// Pad by a constant, or by elements of the input.
namespace edgeclip::engine {

namespace {

void infer_pad(ShapeContext& context) {
  const Node& node = context.node;
  const PadMode mode = pad_mode(node);
  Shape shape = context.inputs[0].shape;
  const Pads pads =
      pads_of(node, shape.size(), ints_attribute_or_input(context, "pads", 1, {}),
              node.has_input(3) ? known_ints(context, 3, "its axes") : std::vector<std::int64_t>{});
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (num_elements(context.inputs[2].shape) != 1) refuse(node, "its value must be a scalar");
  }
  if (node.has("value")) require_float(context, 0);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::int64_t before = pads.before[d], after = pads.after[d],
                       left = shape[d] + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0);
    if (__builtin_add_overflow(shape[d], before + after, &shape[d]) || shape[d] < 0)
      refuse(node, "dimension {} padded by {} and {}: output size overflows", d, before, after);
    if (mode != PadMode::constant && left < 1 && shape[d] > 0)
      refuse(node, "dimension {} padded by {} and {} has no element to pad with", d, before, after);
  }
  add_output(context, context.inputs[0].dtype, shape);
}

/// The value that opsets before 11 pad with, as one element of a float type.
Tensor value_attribute(const Node& node, DType dtype) {
  const float value = node.float_or("value", 0);
  if (dtype == DType::f64) return Tensor::from<double>({}, {static_cast<double>(value)});
  if (!is_16_bit_float(dtype)) return Tensor::from<float>({}, {value});
  Tensor element(dtype, {});
  narrow(&value, dtype, element.raw(), 1);
  return element;
}

void run_pad(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &in = inputs[0].shape, &out = outputs[0].shape;
  const Pads pads = pads_of(node, in.size(), ints_attribute_or_input(node, inputs, "pads", 1, {}),
                            node.has_input(3) ? int_values(node, inputs[3]) : std::vector<std::int64_t>{});
  const PadMode mode = pad_mode(node);
  const Shape own = strides_of(in), target = strides_of(out);
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T fill{};
    if (node.has_input(2)) std::memcpy(&fill, inputs[2].data, sizeof fill);
    if (node.has("value")) std::memcpy(&fill, value_attribute(node, inputs[0].dtype).raw(), sizeof fill);
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      std::int64_t from = 0;
      bool inside = true;
      for (std::size_t d = 0; d < in.size() && inside; ++d) {
        const std::int64_t p =
            padded_from(mode, i / target[d] % out[d] - pads.before[d],
                        std::max<std::int64_t>(0, -pads.before[d]), std::min(in[d], in[d] + pads.after[d]));
        inside = p >= 0;
        from += p * own[d];
      }
      y[i] = inside ? x[from] : fill;
    }
  });
}

}  // namespace

const std::vector<Operator>& pad_operators() {
  static const std::vector<Operator> rows = taking_16_bit_floats({
      {"Pad", "", 2, 10, infer_pad, run_pad, 1, 1, 1, "mode:s pads:I! value:f"},
      {"Pad", "", 11, 17, infer_pad, run_pad, 2, 3, 1, "mode:s"},
      {"Pad", "", 18, kNewestOpset, infer_pad, run_pad, 2, 4, 1, "mode:s"},
  });
  return rows;
}

}  // namespace edgeclip::engine
