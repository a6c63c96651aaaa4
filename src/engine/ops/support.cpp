#include "engine/ops/support.h"

#include <algorithm>
#include <cstring>

#include "base/float16.h"
#include "base/utf8.h"

namespace edgeclip::engine {

std::string printable(const std::string& name) {
  const bool utf8 = find_invalid_utf8(name) == std::string::npos;
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8))
      text += fmt::format("\\x{:02x}", byte);
    else
      text += c;
    if (text.size() > 200) return text + "...";
  }
  return text;
}

std::string node_label(const Node& node) {
  const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
  return fmt::format("node '{}' ({}, opset {})", printable(node.name), printable(op), node.opset);
}

std::size_t normalize_axis(const Node& node, std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) refuse(node, "axis {} is out of range for {} dimensions", axis, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

std::vector<std::size_t> normalize_axes(const Node& node, const std::vector<std::int64_t>& axes,
                                        std::size_t rank) {
  std::vector<std::size_t> result;
  for (const auto axis : axes) {
    const std::size_t a = normalize_axis(node, axis, rank);
    if (std::find(result.begin(), result.end(), a) != result.end())
      refuse(node, "axis {} is given twice", axis);
    result.push_back(a);
  }
  return result;
}

std::vector<double> number_values(const Node& node, const TensorView& tensor) {
  if (is_16_bit_float(tensor.dtype)) return number_values(node, widened(tensor).view());
  std::vector<double> values;
  visit_number(node, tensor.dtype, [&](auto type) {
    const auto* x = tensor.as<decltype(type)>();
    for (std::int64_t i = 0, n = tensor.elements(); i < n; ++i) values.push_back(static_cast<double>(x[i]));
  });
  return values;
}

std::vector<std::int64_t> int_values(const Node& node, const TensorView& tensor) {
  const auto count = static_cast<std::size_t>(tensor.elements());
  std::vector<std::int64_t> values(count);
  if (count == 0) return values;
  if (tensor.dtype == DType::i64)
    std::copy_n(tensor.as<std::int64_t>(), count, values.begin());
  else if (tensor.dtype == DType::i32)
    std::copy_n(tensor.as<std::int32_t>(), count, values.begin());
  else
    refuse(node, "needs int32 or int64, not {}", dtype_name(tensor.dtype));
  return values;
}

void needs_data(const Node& node, const char* what) {
  throw DependsOnData(
      fmt::format("{}: {} must follow from constants and input shapes", node_label(node), what));
}

std::vector<std::int64_t> known_ints(const ShapeContext& context, std::size_t i, const char* what) {
  const TensorView& input = context.inputs.at(i);
  if (!input.data && num_elements(input.shape) > 0) needs_data(context.node, what);
  return int_values(context.node, input);
}

std::vector<std::int64_t> ints_attribute_or_input(const ShapeContext& context, const char* name,
                                                  std::size_t i, const std::vector<std::int64_t>& otherwise) {
  if (context.node.has(name)) return context.node.ints_or(name, otherwise);
  return context.node.has_input(i) ? known_ints(context, i, name) : otherwise;
}

std::vector<std::int64_t> ints_attribute_or_input(const Node& node, const Inputs& inputs, const char* name,
                                                  std::size_t i, const std::vector<std::int64_t>& otherwise) {
  if (node.has(name)) return node.ints_or(name, otherwise);
  return node.has_input(i) ? int_values(node, inputs.at(i)) : otherwise;
}

void add_output(ShapeContext& context, DType dtype, Shape shape) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  std::uint64_t count = 0;
  if (!checked_num_elements(shape, &count) || count > kMost)
    refuse(context.node, "output size overflows: {}", shape_string(shape));
  context.output_dtypes.push_back(dtype);
  context.output_shapes.push_back(std::move(shape));
}

void require_same_dtype(const ShapeContext& context, std::size_t a, std::size_t b) {
  const DType x = context.inputs.at(a).dtype, y = context.inputs.at(b).dtype;
  if (x != y)
    refuse(context.node, "inputs {} and {} are {} and {}, which must be the same", a, b, dtype_name(x),
           dtype_name(y));
}

DType computed_dtype(DType dtype) { return is_16_bit_float(dtype) ? DType::f32 : dtype; }

void require_same_computed_dtype(const ShapeContext& context, std::size_t a, std::size_t b) {
  if (computed_dtype(context.inputs.at(a).dtype) != computed_dtype(context.inputs.at(b).dtype))
    require_same_dtype(context, a, b);
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64 || is_16_bit_float(dtype); }

bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::i8:
    case DType::u8:
    case DType::i16:
    case DType::u16:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      return true;
    default:
      return false;
  }
}

void require_float(const ShapeContext& context, std::size_t i) {
  const DType dtype = context.inputs.at(i).dtype;
  if (!is_float(dtype)) refuse(context.node, "input {} must be of floats, not {}", i, dtype_name(dtype));
}

void require_byte(const ShapeContext& context, std::size_t i) {
  const DType dtype = context.inputs.at(i).dtype;
  if (dtype != DType::i8 && dtype != DType::u8)
    refuse(context.node, "input {} must be int8 or uint8, not {}", i, dtype_name(dtype));
}

void require_rank(const ShapeContext& context, std::size_t i, std::size_t rank) {
  const Shape& shape = context.inputs.at(i).shape;
  if (shape.size() != rank)
    refuse(context.node, "input {} must have {} dimensions, not {}", i, rank, shape_string(shape));
}

void infer_same(ShapeContext& context) {
  add_output(context, context.inputs[0].dtype, context.inputs[0].shape);
}

void infer_same_float(ShapeContext& context) {
  require_float(context, 0);
  infer_same(context);
}

Shape broadcast_shapes(const Node& node, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      refuse(node, "shapes {} and {} do not broadcast: {} against {}", shape_string(a), shape_string(b), x,
             y);
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::int64_t d = from[from.size() - 1 - i];
    if (d != 1 && d != to[to.size() - 1 - i]) return false;
  }
  return true;
}

Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Shape broadcast_strides(const Shape& shape, const Shape& out) {
  const Shape own = strides_of(shape);
  Shape strides(out.size(), 0);
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) strides[out.size() - shape.size() + i] = own[i];
  return strides;
}

std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end) {
  std::int64_t n = 1;
  for (std::size_t i = begin; i < end; ++i) n *= shape[i];
  return n;
}

void copy_elements(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const std::size_t bytes = outputs[0].view().bytes();
  EDGECLIP_CHECK(bytes == inputs[0].bytes(), "{} to {}", shape_string(inputs[0].shape),
                 shape_string(outputs[0].shape));
  if (bytes > 0) std::memcpy(outputs[0].data, inputs[0].data, bytes);
}

}  // namespace edgeclip::engine
