#include "engine/ops/convolution.h"

namespace edgeclip::engine {

Shape conv_kernel_shape(const Node& node, const Shape& w) {
  const Shape kernel(w.begin() + 2, w.end());
  if (node.ints_or("kernel_shape", kernel) != kernel)
    refuse(node, "kernel_shape differs from its weights {}", shape_string(w));
  return kernel;
}

Shape conv_shape(const Node& node, const Shape& x, const Shape& w) {
  if (x.size() < 3 || w.size() != x.size())
    refuse(node, "input {} and weights {} do not fit", shape_string(x), shape_string(w));
  const std::int64_t groups = node.int_or("group", 1);
  if (groups < 1 || x[1] % groups != 0 || x[1] / groups != w[1] || w[0] % groups != 0)
    refuse(node, "input {} and weights {} do not fit in {} groups", shape_string(x), shape_string(w), groups);
  Shape shape = {x[0], w[0]};
  for (const auto& d : window_of(node, x, conv_kernel_shape(node, w))) shape.push_back(d.out);
  return shape;
}

void require_filter_bias(const ShapeContext& context, std::size_t i, DType dtype, std::int64_t filters) {
  if (!context.node.has_input(i)) return;
  const TensorView& bias = context.inputs[i];
  if (bias.dtype != dtype)
    refuse(context.node, "input {} must be {}, not {}", i, dtype_name(dtype), dtype_name(bias.dtype));
  if (bias.shape != Shape{filters})
    refuse(context.node, "bias {} for {} channels", shape_string(bias.shape), filters);
}

}  // namespace edgeclip::engine
