#include "engine/ops/quant_conv.h"

#include <utility>
#include <vector>

#include "engine/ops/convolution.h"
#include "engine/ops/families.h"

namespace edgeclip::engine {

namespace {

void infer_quant_conv(ShapeContext& context) {
  const Node& node = context.node;
  const Inputs& in = context.inputs;
  for (const std::size_t i : {kQuantConvX, kQuantConvW, kQuantConvWScale})
    if (!node.has_input(i)) refuse(node, "input {} is left out", static_cast<int>(i));
  require_byte(context, kQuantConvX);
  const QuantConvAttributes attributes = quant_conv_attributes(node);
  zero_point_of(node, "x_zero_point", in[kQuantConvX].dtype);
  if (in[kQuantConvW].dtype != DType::i8)
    refuse(node, "W is {}, not int8", dtype_name(in[kQuantConvW].dtype));
  const Shape& w = in[kQuantConvW].shape;
  Shape shape = conv_shape(node, in[kQuantConvX].shape, w);
  if (shape.size() > 5) unsupported(node, "has 1 to 3 spatial dimensions, not {}", shape.size() - 2);
  if (in[kQuantConvWScale].dtype != DType::f32 || in[kQuantConvWScale].shape != Shape{w[0]})
    refuse(node, "w_scale is not float32 ({})", w[0]);
  require_filter_bias(context, kQuantConvBias, DType::f32, w[0]);
  if (node.has_input(kQuantConvResidual) &&
      (in[kQuantConvResidual].dtype != DType::f32 || in[kQuantConvResidual].shape != shape))
    refuse(node, "residual is {} {}, not float32 {}", dtype_name(in[kQuantConvResidual].dtype),
           shape_string(in[kQuantConvResidual].shape), shape_string(shape));
  add_output(context, attributes.output.dtype, std::move(shape));
}

/// The float32 result of every place.
template <class X>
void convolve_quantized(const Node& node, const Inputs& inputs, const QuantConvAttributes& attributes,
                        const Shape& shape, float* y) {
  const float* w_scale = inputs[kQuantConvWScale].as<float>();
  const float* bias = node.has_input(kQuantConvBias) ? inputs[kQuantConvBias].as<float>() : nullptr;
  const float* residual =
      node.has_input(kQuantConvResidual) ? inputs[kQuantConvResidual].as<float>() : nullptr;  // along with y
  convolve<std::int64_t>(
      node, inputs[kQuantConvX].shape, inputs[kQuantConvX].as<X>(), inputs[kQuantConvW].shape,
      inputs[kQuantConvW].as<std::int8_t>(), shape, y,
      [&](X x) { return static_cast<std::int64_t>(x) - attributes.x_zero_point; },
      [](std::int64_t, std::int8_t w) { return static_cast<std::int64_t>(w); },
      [&](std::int64_t m, std::int64_t sum) {
        float value = static_cast<float>(sum) * (attributes.x_scale * w_scale[m]);
        if (bias) value += bias[m];
        if (residual) value += *residual++;
        return activate(value, attributes.activation);
      });
}

void run_quant_conv(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const QuantConvAttributes attributes = quant_conv_attributes(node);
  std::vector<float> y(static_cast<std::size_t>(outputs[0].elements()));
  if (inputs[kQuantConvX].dtype == DType::u8)
    convolve_quantized<std::uint8_t>(node, inputs, attributes, outputs[0].shape, y.data());
  else
    convolve_quantized<std::int8_t>(node, inputs, attributes, outputs[0].shape, y.data());
  store_output(y.data(), outputs[0].elements(), attributes.output, outputs[0]);
}

}  // namespace

QuantConvAttributes quant_conv_attributes(const Node& node) {
  return {scale_of(node, "x_scale"), zero_point_of(node, "x_zero_point"), activation_of(node),
          output_quantization_of(node)};
}

const std::vector<Operator>& quant_conv_operators() {
  static const std::vector<Operator> rows = {
      {"QuantConv", "edgeclip", 1, 1, infer_quant_conv, run_quant_conv, 3, 5, 1,
       "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I x_scale:f! x_zero_point:i "
       "activation:s activation_alpha:f activation_beta:f out_type:s out_scale:f out_zero_point:i"}};
  return rows;
}

}  // namespace edgeclip::engine
