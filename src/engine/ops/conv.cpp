#include "engine/ops/families.h"
#include "engine/ops/window.h"

/// Conv of any number of spatial dimensions: x (N, C, spatial...), w (M, C / group, kernel...), b (M): y (N,
/// M, spatial...).
namespace edgeclip::engine {

namespace {

Shape kernel_shape(const Node& node, const Shape& w) {
  const Shape kernel(w.begin() + 2, w.end());
  if (node.ints_or("kernel_shape", kernel) != kernel)
    refuse(node, "kernel_shape differs from its weights {}", shape_string(w));
  return kernel;
}

void infer_conv(ShapeContext& context) {
  const Node& node = context.node;
  const Shape &x = context.inputs[0].shape, &w = context.inputs[1].shape;
  require_float(context, 0);
  require_same_dtype(context, 0, 1);
  if (x.size() < 3 || w.size() != x.size())
    refuse(node, "input {} and weights {} do not fit", shape_string(x), shape_string(w));
  const std::int64_t groups = node.int_or("group", 1);
  if (groups < 1 || x[1] % groups != 0 || x[1] / groups != w[1] || w[0] % groups != 0)
    refuse(node, "input {} and weights {} do not fit in {} groups", shape_string(x), shape_string(w), groups);
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (context.inputs[2].shape != Shape{w[0]})
      refuse(node, "bias {} for {} channels", shape_string(context.inputs[2].shape), w[0]);
  }
  Shape shape = {x[0], w[0]};
  for (const auto& d : window_of(node, x, kernel_shape(node, w))) shape.push_back(d.out);
  add_output(context, context.inputs[0].dtype, shape);
}

void run_conv(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape &xs = inputs[0].shape, &ws = inputs[1].shape, &ys = outputs[0].shape;
  const auto window = window_of(node, xs, kernel_shape(node, ws));
  const Shape spatial(xs.begin() + 2, xs.end()), strides = strides_of(spatial);
  const std::int64_t groups = node.int_or("group", 1), channels = ws[1], filters = ws[0] / groups;
  const std::int64_t in_plane = num_elements(spatial), out_plane = product(ys, 2, ys.size()),
                     taps = product(ws, 2, ws.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T* y = outputs[0].as<T>();
    for (std::int64_t n = 0; n < xs[0]; ++n) {
      for (std::int64_t m = 0; m < ws[0]; ++m) {
        const T* x = inputs[0].as<T>() + (n * xs[1] + m / filters * channels) * in_plane;
        const T* w = inputs[1].as<T>() + m * channels * taps;
        const double bias = node.has_input(2) ? static_cast<double>(inputs[2].as<T>()[m]) : 0;
        std::vector<std::int64_t> place(window.size(), 0);
        for (std::int64_t o = 0; o < out_plane; ++o, next_place(window, place)) {
          double sum = bias;
          for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t tap) {
            for (std::int64_t c = 0; c < channels; ++c)
              sum += static_cast<double>(x[c * in_plane + offset]) * static_cast<double>(w[c * taps + tap]);
          });
          *y++ = static_cast<T>(sum);
        }
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& conv_operators() {
  static const std::vector<Operator> rows = {
      {"Conv", "", 1, kNewestOpset, infer_conv, run_conv, 2, 3, 1,
       "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"},
  };
  return rows;
}

}  // namespace edgeclip::engine
