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
  if (node.has_input(kQuantConvResidual)) {
    const TensorView& residual = in[kQuantConvResidual];
    if (attributes.residual_scale) {
      require_byte(context, kQuantConvResidual);
      zero_point_of(node, "residual_zero_point", residual.dtype);
    }
    if ((!attributes.residual_scale && residual.dtype != DType::f32) || residual.shape != shape)
      refuse(node, "residual is {} {}, not {} {}", dtype_name(residual.dtype), shape_string(residual.shape),
             attributes.residual_scale ? "of 8 bits and" : "float32", shape_string(shape));
  }
  add_output(context, attributes.output.dtype, std::move(shape));
}

/// The float32 result of every place.
template <class X>
void convolve_quantized(const Node& node, const Inputs& inputs, const QuantConvAttributes& attributes,
                        const Shape& shape, float* y) {
  const float* w_scale = inputs[kQuantConvWScale].as<float>();
  const float* bias = node.has_input(kQuantConvBias) ? inputs[kQuantConvBias].as<float>() : nullptr;
  const bool adds = node.has_input(kQuantConvResidual);
  std::int64_t at = 0;  // along with y
  convolve<std::int64_t>(
      node, inputs[kQuantConvX].shape, inputs[kQuantConvX].as<X>(), inputs[kQuantConvW].shape,
      inputs[kQuantConvW].as<std::int8_t>(), shape, y,
      [&](X x) { return static_cast<std::int64_t>(x) - attributes.x_zero_point; },
      [](std::int64_t, std::int8_t w) { return static_cast<std::int64_t>(w); },
      [&](std::int64_t m, std::int64_t sum) {
        float value = static_cast<float>(sum) * (attributes.x_scale * w_scale[m]);
        if (bias) value += bias[m];
        if (adds) value += residual_at(inputs[kQuantConvResidual], at++, attributes);
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

float residual_at(const TensorView& residual, std::int64_t i, const QuantConvAttributes& attributes) {
  if (!attributes.residual_scale) return residual.as<float>()[i];
  const std::int32_t q = residual.dtype == DType::u8 ? std::int32_t{residual.as<std::uint8_t>()[i]}
                                                     : std::int32_t{residual.as<std::int8_t>()[i]};
  return *attributes.residual_scale * static_cast<float>(q - attributes.residual_zero_point);
}

QuantConvAttributes quant_conv_attributes(const Node& node) {
  QuantConvAttributes attributes{scale_of(node, "x_scale"), zero_point_of(node, "x_zero_point"), activation_of(node),
                                 output_quantization_of(node), {}, 0};
  if (node.attributes.count("residual_scale")) {
    attributes.residual_scale = scale_of(node, "residual_scale");
    attributes.residual_zero_point = zero_point_of(node, "residual_zero_point");
  }
  return attributes;
}

const std::vector<Operator>& quant_conv_operators() {
  static const std::vector<Operator> rows = {
      {"QuantConv", "edgeclip", 1, 1, infer_quant_conv, run_quant_conv, 3, 5, 1,
       "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I x_scale:f! x_zero_point:i "
       "residual_scale:f residual_zero_point:i activation:s activation_alpha:f activation_beta:f out_type:s out_scale:f out_zero_point:i"}};
  return rows;
}

}  // namespace edgeclip::engine
