#include <algorithm>
#include <cstring>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Pad by a constant.
namespace edgeclip::engine {

namespace {

/// Elements to add before and after each dimension; negative ones cut.
struct Pads {
  std::vector<std::int64_t> before, after;
};

Pads pads_of(const Node& node, std::size_t rank, const std::vector<std::int64_t>& pads,
             const std::vector<std::int64_t>& axes) {
  if (node.string_or("mode", "constant") != "constant")
    unsupported(node, "only mode constant is there, not {}", printable(node.string_or("mode", "")));
  std::vector<std::size_t> where = normalize_axes(node, axes, rank);
  if (axes.empty())
    for (std::size_t d = 0; d < rank; ++d) where.push_back(d);
  if (pads.size() != 2 * where.size()) refuse(node, "{} pads for {} dimensions", pads.size(), where.size());
  Pads result{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0)};
  for (std::size_t i = 0; i < where.size(); ++i) {
    result.before[where[i]] = pads[i];
    result.after[where[i]] = pads[where.size() + i];
  }
  return result;
}

void infer_pad(ShapeContext& context) {
  const Node& node = context.node;
  Shape shape = context.inputs[0].shape;
  const Pads pads =
      pads_of(node, shape.size(), ints_attribute_or_input(context, "pads", 1, {}),
              node.has_input(3) ? known_ints(context, 3, "its axes") : std::vector<std::int64_t>{});
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (num_elements(context.inputs[2].shape) != 1) refuse(node, "its value must be a scalar");
  }
  if (node.has("value")) require_float(context, 0);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (__builtin_add_overflow(shape[d], pads.before[d], &shape[d]) ||
        __builtin_add_overflow(shape[d], pads.after[d], &shape[d]) || shape[d] < 0)
      refuse(node, "dimension {} padded by {} and {}: output size overflows", d, pads.before[d],
             pads.after[d]);
  add_output(context, context.inputs[0].dtype, shape);
}

void run_pad(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &in = inputs[0].shape, &out = outputs[0].shape;
  const Pads pads = pads_of(node, in.size(), ints_attribute_or_input(node, inputs, "pads", 1, {}),
                            node.has_input(3) ? int_values(node, inputs[3]) : std::vector<std::int64_t>{});
  const Shape own = strides_of(in), target = strides_of(out);
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T fill{};
    if (node.has_input(2)) std::memcpy(&fill, inputs[2].data, sizeof fill);
    if (node.has("value")) {  // opset < 11
      const float narrow = node.float_or("value", 0);
      const double wide = narrow;
      std::memcpy(&fill, sizeof fill == 8 ? static_cast<const void*>(&wide) : &narrow,
                  std::min(sizeof fill, sizeof wide));
    }
    const T* x = storage<T>(inputs[0]);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i) {
      std::int64_t from = 0;
      bool inside = true;
      for (std::size_t d = 0; d < in.size() && inside; ++d) {
        const std::int64_t p = i / target[d] % out[d] - pads.before[d];
        inside = p >= 0 && p < in[d];
        from += p * own[d];
      }
      y[i] = inside ? x[from] : fill;
    }
  });
}

}  // namespace

const std::vector<Operator>& pad_operators() {
  static const std::vector<Operator> rows = {
      {"Pad", "", 2, 10, infer_pad, run_pad, 1, 1, 1, "mode:s pads:I! value:f"},
      {"Pad", "", 11, kNewestOpset, infer_pad, run_pad, 2, 4, 1, "mode:s"},
  };
  return rows;
}

}  // namespace edgeclip::engine
