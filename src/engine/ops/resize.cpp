#include <algorithm>
#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/interpolation.h"
#include "engine/ops/resize_axis.h"

/// Resize, and its predecessor Upsample, for any number of dimensions: an output element is the sum of the
/// products of its taps along each one.
namespace edgeclip::engine {

namespace {

/// Those of `axes` in that order; scales or sizes, the other one is empty.
struct ResizeArguments {
  std::vector<std::size_t> axes;
  std::vector<double> scales, roi;
  std::vector<std::int64_t> sizes;
};

/// What the attributes and inputs say.  Throws DependsOnData where a shape depends on what is not known yet.
ResizeArguments resize_arguments(const Node& node, const Inputs& inputs) {
  const std::size_t rank = inputs[0].shape.size();
  const bool modern = node.op == "Resize" && node.opset >= 11;
  // inputs x, scales; since opset 11 x, roi, scales, sizes, where an empty one is one left out
  const std::size_t scales = modern ? 2 : 1, sizes = 3, roi = 1;
  const auto given = [&](std::size_t i) { return node.has_input(i) && inputs[i].elements() > 0; };
  const auto known = [&](std::size_t i, const char* what) -> const TensorView& {
    if (inputs[i].shape.size() != 1)
      refuse(node, "{} must be one-dimensional, not {}", what, shape_string(inputs[i].shape));
    if (!inputs[i].data) needs_data(node, what);
    return inputs[i];
  };

  ResizeArguments result;
  result.axes = normalize_axes(node, node.ints_or("axes", {}), rank);
  if (result.axes.empty())
    for (std::size_t d = 0; d < rank; ++d) result.axes.push_back(d);
  if (const auto it = node.attributes.find("scales"); it != node.attributes.end())  // Upsample of opset 7
    for (const float s : std::get<std::vector<float>>(it->second)) result.scales.push_back(s);
  else if (given(scales) && !is_float(inputs[scales].dtype))
    unsupported_type(node, inputs[scales].dtype);
  else if (given(scales))
    result.scales = number_values(node, known(scales, "its scales"));
  if (modern && given(sizes)) result.sizes = int_values(node, known(sizes, "its sizes"));
  const std::size_t count = result.axes.size();
  if (result.scales.empty() == result.sizes.empty() || result.scales.size() + result.sizes.size() != count)
    refuse(node, "{} scales and {} sizes: it needs {} of one of them", result.scales.size(),
           result.sizes.size(), count);
  if (resize_mode(node).crops()) {
    if (!node.has_input(roi) || inputs[roi].shape != Shape{static_cast<std::int64_t>(2 * count)})
      refuse(node, "tf_crop_and_resize needs a roi of {} values", 2 * count);
    if (!is_float(inputs[roi].dtype)) unsupported_type(node, inputs[roi].dtype);
    if (inputs[roi].data) result.roi = number_values(node, inputs[roi]);
  }
  return result;
}

/// One scale for all axes, so that no dimension is larger (or smaller) than its size.
double common_scale(const ResizeArguments& arguments, const Shape& x, bool larger) {
  double scale = 0;
  for (std::size_t i = 0; i < arguments.axes.size(); ++i) {
    const double one = static_cast<double>(arguments.sizes[i]) / static_cast<double>(x[arguments.axes[i]]);
    scale = i == 0 ? one : larger ? std::max(scale, one) : std::min(scale, one);
  }
  return scale;
}

/// Every dimension of x with its output size, of which none is negative or beyond 2^40.
std::vector<ResizeAxis> resize_axes(const Node& node, const Shape& x, const ResizeArguments& arguments) {
  constexpr double kMost = 1e12;
  const std::string policy = node.string_or("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    unsupported(node, "keep_aspect_ratio_policy {} is not there", printable(policy));
  std::vector<ResizeAxis> result(x.size());
  for (std::size_t d = 0; d < x.size(); ++d) result[d] = {x[d], x[d]};
  for (std::size_t i = 0; i < arguments.axes.size(); ++i) {
    ResizeAxis& axis = result[arguments.axes[i]];
    if (!arguments.roi.empty()) {
      axis.roi_begin = arguments.roi[i];
      axis.roi_end = arguments.roi[arguments.axes.size() + i];
    }
    if (arguments.sizes.empty()) {
      axis.scale = arguments.scales[i];
      if (!(axis.scale > 0 && std::isfinite(axis.scale)) || (node.op == "Upsample" && axis.scale < 1))
        refuse(node, "a scale of {}", axis.scale);
      // in float32 as everywhere: 0.7f * 10 is 7 there, though 0.7f is smaller than 0.7
      const double out = std::floor(static_cast<float>(axis.in) * static_cast<float>(axis.scale));
      if (!(out <= kMost)) refuse(node, "{} times {}: output size overflows", axis.in, axis.scale);
      axis.out = static_cast<std::int64_t>(out);
      continue;
    }
    const std::int64_t size = arguments.sizes[i];
    if (size < 0 || static_cast<double>(size) > kMost) refuse(node, "sizes of {}", size);
    if (axis.in == 0 && size > 0) refuse(node, "cannot resize nothing, {}", shape_string(x));
    axis.out = size;
    if (size > 0) axis.scale = static_cast<double>(size) / static_cast<double>(axis.in);
  }
  if (!arguments.sizes.empty() && policy != "stretch") {
    for (const std::size_t d : arguments.axes)
      if (x[d] == 0) refuse(node, "cannot resize nothing, {}", shape_string(x));
    const double scale = common_scale(arguments, x, policy == "not_smaller");
    for (const std::size_t d : arguments.axes) {
      const double out = std::floor(scale * static_cast<double>(x[d]) + 0.5);
      if (!(out <= kMost)) refuse(node, "{} times {}: output size overflows", x[d], scale);
      result[d].out = static_cast<std::int64_t>(out);
      result[d].scale = scale;
    }
  }
  return result;
}

void infer_resize(ShapeContext& context) {
  const Node& node = context.node;
  const TensorView& x = context.inputs[0];
  if (!is_float(x.dtype) && !is_integer(x.dtype)) unsupported_type(node, x.dtype);
  if (x.shape.size() > 8) unsupported(node, "{} dimensions: 8 are the most", x.shape.size());
  resize_mode(node);
  Shape shape;
  for (const auto& axis : resize_axes(node, x.shape, resize_arguments(node, context.inputs)))
    shape.push_back(axis.out);
  add_output(context, x.dtype, std::move(shape));
}

/// Taps along all dimensions for one output place.
struct ResizeSum {
  const std::vector<ResizeTaps>& taps;
  const Shape& strides;
  const std::vector<std::int64_t>& place;

  std::pair<const ResizeTap*, const ResizeTap*> along(std::size_t d) const {
    const auto i = static_cast<std::size_t>(place[d]);
    return {taps[d].taps.data() + taps[d].begin[i], taps[d].taps.data() + taps[d].begin[i + 1]};
  }
  bool outside() const {
    for (std::size_t d = 0; d < taps.size(); ++d)
      if (const auto [from, to] = along(d); from == to) return true;
    return false;
  }
  std::int64_t nearest_offset() const {
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < taps.size(); ++d) offset += along(d).first->index * strides[d];
    return offset;
  }
  /// Over dimension d and those behind it.
  template <class T>
  double of(const T* x, std::size_t d = 0) const {
    if (d == taps.size()) return static_cast<double>(*x);
    double sum = 0;
    const auto [from, to] = along(d);
    for (const ResizeTap* tap = from; tap != to; ++tap)
      sum += tap->weight * of(x + tap->index * strides[d], d + 1);
    return sum;
  }
};

void run_resize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t total = outputs[0].elements();
  if (total == 0) return;
  const ResizeMode mode = resize_mode(node);
  const Shape &in = inputs[0].shape, &out = outputs[0].shape, strides = strides_of(in);
  std::vector<ResizeTaps> taps;
  for (const auto& axis : resize_axes(node, in, resize_arguments(node, inputs)))
    taps.push_back(resize_taps(mode, axis));
  std::vector<std::int64_t> place(out.size(), 0);
  const ResizeSum sum{taps, strides, place};
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    const T extrapolation = element_from<T>(static_cast<double>(node.float_or("extrapolation_value", 0)));
    for (std::int64_t i = 0; i < total; ++i) {
      for (std::int64_t rest = i, d = static_cast<std::int64_t>(out.size()) - 1; d >= 0; --d) {
        const auto k = static_cast<std::size_t>(d);
        place[k] = rest % out[k];
        rest /= out[k];
      }
      if (sum.outside())
        y[i] = extrapolation;
      else if (mode.kernel == ResizeMode::Kernel::nearest)
        y[i] = x[sum.nearest_offset()];
      else
        y[i] = element_from<T>(sum.of(x));
    }
  });
}

}  // namespace

std::vector<ResizeAxis> resize_axes(const Node& node, const Inputs& inputs) {
  return resize_axes(node, inputs[0].shape, resize_arguments(node, inputs));
}

const std::vector<Operator>& resize_operators() {
  static const std::vector<Operator> rows = {
      {"Upsample", "", 7, 8, infer_resize, run_resize, 1, 1, 1, "mode:s scales:F!"},
      {"Upsample", "", 9, 9, infer_resize, run_resize, 2, 2, 1, "mode:s"},
      {"Resize", "", 10, 10, infer_resize, run_resize, 2, 2, 1, "mode:s"},
      {"Resize", "", 11, 17, infer_resize, run_resize, 1, 4, 1,
       "coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f mode:s "
       "nearest_mode:s"},
      {"Resize", "", 18, kNewestOpset, infer_resize, run_resize, 1, 4, 1,
       "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
       "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s"},
  };
  return rows;
}

}  // namespace edgeclip::engine
