#include "engine/ops/activation.h"
#include "engine/ops/convolution.h"
#include "engine/ops/families.h"

/// FusedConv (domain edgeclip, opset 1), a Conv with what follows it:
///   x (N, C, spatial...), w (M, C / group, kernel...), b (M) or none, residual as y or none
///   y (N, M, spatial...) = activation(Conv(x, w) + b + residual)
/// of one, two or three spatial dimensions.  Attributes are Conv's and those of activation.h.
namespace edgeclip::engine {

namespace {

void infer_fused_conv(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, 0);
  require_same_computed_dtype(context, 0, 1);
  activation_of(node);
  const Shape& w = context.inputs[1].shape;
  Shape shape = conv_shape(node, context.inputs[0].shape, w);
  if (shape.size() > 5) unsupported(node, "has 1 to 3 spatial dimensions, not {}", shape.size() - 2);
  require_filter_bias(context, 2, context.inputs[0].dtype, w[0]);
  if (node.has_input(3)) {
    require_same_dtype(context, 0, 3);
    if (context.inputs[3].shape != shape)
      refuse(node, "residual {} for a result {}", shape_string(context.inputs[3].shape), shape_string(shape));
  }
  add_output(context, context.inputs[0].dtype, std::move(shape));
}

void run_fused_conv(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Activation activation = activation_of(node);
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* bias = node.has_input(2) ? inputs[2].as<T>() : nullptr;
    const T* residual = node.has_input(3) ? inputs[3].as<T>() : nullptr;  // steps along with y
    convolve<double>(
        node, inputs[0].shape, inputs[0].as<T>(), inputs[1].shape, inputs[1].as<T>(), outputs[0].shape,
        outputs[0].as<T>(), [](T x) { return static_cast<double>(x); },
        [](std::int64_t, T w) { return static_cast<double>(w); },
        [&](std::int64_t m, double sum) {
          if (bias) sum += static_cast<double>(bias[m]);
          if (residual) sum += static_cast<double>(*residual++);
          return activate(static_cast<T>(sum), activation);
        });
  });
}

}  // namespace

const std::vector<Operator>& fused_conv_operators() {
  static const std::vector<Operator> rows = {
      {"FusedConv", "edgeclip", 1, 1, infer_fused_conv, run_fused_conv, 2, 4, 1,
       "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I "
       "activation:s activation_alpha:f activation_beta:f"},
  };
  return rows;
}

}  // namespace edgeclip::engine
