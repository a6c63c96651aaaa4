#include <algorithm>
#include <cstring>

#include "base/float16.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Pad by a constant, or by elements of the input.
namespace edgeclip::engine {

namespace {

/// Elements to add before and after each dimension; negative ones cut.
struct Pads {
  std::vector<std::int64_t> before, after;
};

enum class PadMode { constant, edge, reflect, wrap };

PadMode pad_mode(const Node& node) {
  const std::string mode = node.string_or("mode", "constant");
  if (mode == "constant") return PadMode::constant;
  if (mode == "edge") return PadMode::edge;
  if (mode == "reflect") return PadMode::reflect;
  // of opset 19; onnxruntime reads it in older models too
  if (mode == "wrap" && node.opset >= 11) return PadMode::wrap;
  unsupported(node, "mode {} is not there", printable(mode));
}

Pads pads_of(const Node& node, std::size_t rank, const std::vector<std::int64_t>& pads,
             const std::vector<std::int64_t>& axes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // sums with a dimension cannot overflow
  std::vector<std::size_t> where = normalize_axes(node, axes, rank);
  if (axes.empty())
    for (std::size_t d = 0; d < rank; ++d) where.push_back(d);
  if (pads.size() != 2 * where.size()) refuse(node, "{} pads for {} dimensions", pads.size(), where.size());
  for (const auto p : pads)
    if (p > kMost || p < -kMost) refuse(node, "pads of {}: output size overflows", p);
  Pads result{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0)};
  for (std::size_t i = 0; i < where.size(); ++i) {
    result.before[where[i]] = pads[i];
    result.after[where[i]] = pads[where.size() + i];
  }
  return result;
}

/// Where the element at p of a dimension comes from (p < 0: before its first one); -1: the constant.
/// Negative pads cut first: what is padded with lies in [begin, end).
std::int64_t padded_from(PadMode mode, std::int64_t p, std::int64_t begin, std::int64_t end) {
  if (p >= begin && p < end) return p;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::edge) return p < begin ? begin : end - 1;
  // reflect leaves the edges single: 0 1 2 | 1 0 1 2 ...
  const std::int64_t n = end - begin;
  const std::int64_t period = mode == PadMode::wrap ? n : std::max<std::int64_t>(1, 2 * (n - 1));
  const std::int64_t k = ((p - begin) % period + period) % period;
  return begin + (k < n ? k : period - k);
}

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
