#include "engine/ops/families.h"
#include "engine/ops/window.h"

/// ConvTranspose of any number of spatial dimensions: x (N, C, spatial...), w (C, M / group, kernel...), b
/// (M): y (N, M, spatial...).  It is the gradient of a Conv from y to x: every x spreads over y what that
/// Conv's window would have gathered.
namespace edgeclip::engine {

namespace {

/// That Conv's window: `in` is a dimension of y, `out` of x.  Throws InvalidInput.
std::vector<WindowDim> transposed_window(const Node& node, const Shape& x, const Shape& w) {
  const Shape kernel(w.begin() + 2, w.end());
  if (node.ints_or("kernel_shape", kernel) != kernel)
    refuse(node, "kernel_shape differs from its weights {}", shape_string(w));
  require_window(node, x, kernel);
  const std::size_t rank = kernel.size();
  const auto strides = window_attribute(node, "strides", rank, 1, 1),
             dilations = window_attribute(node, "dilations", rank, 1, 1),
             pads = window_attribute(node, "pads", 2 * rank, 0, 0),
             extra = window_attribute(node, "output_padding", rank, 0, 0);
  const std::string auto_pad = auto_pad_of(node);
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  auto wanted = node.ints_or("output_shape", {});
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);  // as old exporters write
  if (!wanted.empty() && wanted.size() != rank)
    refuse(node, "output_shape has {} values, not {}", wanted.size(), rank);

  std::vector<WindowDim> window(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    WindowDim& v = window[d];
    v.kernel = kernel[d];
    v.stride = strides[d];
    v.dilation = dilations[d];
    v.out = x[d + 2];
    if (v.out < 1) refuse(node, "an empty plane {}", shape_string(x));
    if (extra[d] >= std::max(v.stride, v.dilation))
      refuse(node, "output_padding of {}: it must be smaller than the stride or the dilation", extra[d]);
    // what x reaches without padding
    const std::int64_t reach = window_reach(node, v.kernel, v.dilation);
    std::int64_t full = 0;
    if (__builtin_mul_overflow(v.stride, v.out - 1, &full) || full > kMostWindow)
      refuse(node, "strides of {}: output size overflows", v.stride);
    full += reach + extra[d];
    if (wanted.empty() && !same) {
      v.before = auto_pad == "VALID" ? 0 : pads[d];
      v.after = auto_pad == "VALID" ? 0 : pads[rank + d];
      v.in = full - v.before - v.after;
    } else {  // the padding follows from the output; where it is larger than all that x reaches, by zeros
      v.in = wanted.empty() ? v.stride * v.out : wanted[d];
      if (v.in > kMostWindow) refuse(node, "output_shape of {}: output size overflows", v.in);
      const std::int64_t total = std::max<std::int64_t>(0, full - v.in);
      v.before = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      v.after = total - v.before;
    }
    if (v.in < 1)
      refuse(node, "an output dimension of {}: its pads {} and {} leave nothing of {}", v.in, v.before,
             v.after, full);
  }
  return window;
}

void infer_conv_transpose(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, 0);
  require_same_dtype(context, 0, 1);
  const Shape &x = context.inputs[0].shape, &w = context.inputs[1].shape;
  const std::int64_t groups = node.int_or("group", 1);
  if (x.size() < 3 || w.size() != x.size() || w[0] != x[1] || groups < 1 || x[1] % groups != 0)
    refuse(node, "input {} and weights {} do not fit in {} groups", shape_string(x), shape_string(w), groups);
  std::int64_t filters = 0;
  if (__builtin_mul_overflow(w[1], groups, &filters))
    refuse(node, "output size overflows: {} groups of {}", groups, w[1]);
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (context.inputs[2].shape != Shape{filters})
      refuse(node, "bias {} for {} channels", shape_string(context.inputs[2].shape), filters);
  }
  Shape shape = {x[0], filters};
  for (const auto& d : transposed_window(node, x, w)) shape.push_back(d.in);
  add_output(context, context.inputs[0].dtype, std::move(shape));
}

void run_conv_transpose(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &xs = inputs[0].shape, &ws = inputs[1].shape, &ys = outputs[0].shape;
  const auto window = transposed_window(node, xs, ws);
  const Shape strides = strides_of(Shape(ys.begin() + 2, ys.end()));
  const std::int64_t channels = xs[1] / node.int_or("group", 1), filters = ws[1];
  const std::int64_t in_plane = product(xs, 2, xs.size()), out_plane = product(ys, 2, ys.size()),
                     taps = product(ws, 2, ws.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T* y = outputs[0].as<T>();
    for (std::int64_t n = 0; n < ys[0]; ++n) {
      for (std::int64_t m = 0; m < ys[1]; ++m) {
        std::vector<double> sums(static_cast<std::size_t>(out_plane),
                                 node.has_input(2) ? static_cast<double>(inputs[2].as<T>()[m]) : 0.0);
        for (std::int64_t c = m / filters * channels; c < (m / filters + 1) * channels; ++c) {
          const T* x = inputs[0].as<T>() + (n * xs[1] + c) * in_plane;
          const T* w = inputs[1].as<T>() + (c * filters + m % filters) * taps;
          std::vector<std::int64_t> place(window.size(), 0);
          for (std::int64_t i = 0; i < in_plane; ++i, next_place(window, place))
            for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t tap) {
              sums[static_cast<std::size_t>(offset)] +=
                  static_cast<double>(x[i]) * static_cast<double>(w[tap]);
            });
        }
        for (const double sum : sums) *y++ = static_cast<T>(sum);
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& conv_transpose_operators() {
  static const std::vector<Operator> rows = {
      {"ConvTranspose", "", 1, kNewestOpset, infer_conv_transpose, run_conv_transpose, 2, 3, 1,
       "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I"},
  };
  return rows;
}

}  // namespace edgeclip::engine
