#include "engine/ops/families.h"
#include "engine/ops/quantization.h"
#include "engine/ops/support.h"

/// QuantizeLinear and DequantizeLinear with one scale, or one per index of an axis, and
/// DynamicQuantizeLinear. Blocked scales (opset 21) are refused.
namespace edgeclip::engine {

namespace {

struct Axis {
  std::int64_t outer = 1, count = 1, inner = 1;  ///< count: scales
};

/// How scale index and element belong together.  Throws InvalidInput if they do not.
Axis quantization_axis(const Node& node, const Shape& x, const Shape& scale) {
  if (node.int_or("block_size", 0) != 0) unsupported(node, "blocked quantization is not there");
  Axis axis;
  if (num_elements(scale) == 1 && scale.size() <= 1) {
    axis.inner = num_elements(x);
    return axis;
  }
  if (scale.size() != 1) refuse(node, "scale {} must be a scalar or one-dimensional", shape_string(scale));
  const std::size_t a = normalize_axis(node, node.int_or("axis", 1), x.size());
  if (scale[0] != x[a]) refuse(node, "{} scales for {} along axis {}", scale[0], shape_string(x), a);
  return {product(x, 0, a), x[a], product(x, a + 1, x.size())};
}

bool quantized_dtype(DType dtype) {
  return dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i16 || dtype == DType::u16;
}

void infer_quantize(ShapeContext& context) {
  const Node& node = context.node;
  const DType from = context.inputs[0].dtype;
  if (from != DType::f32 && from != DType::f64 && from != DType::i32) unsupported_type(node, from);
  if (context.inputs[1].dtype != DType::f32)
    refuse(node, "scale must be float32, not {}", dtype_name(context.inputs[1].dtype));
  if (node.int_or("output_dtype", 0) != 0 && !node.has_input(2))
    unsupported(node, "output_dtype without a zero point is not there");
  DType to = DType::u8;
  if (node.has_input(2)) {
    to = context.inputs[2].dtype;
    if (num_elements(context.inputs[2].shape) != num_elements(context.inputs[1].shape))
      refuse(node, "scale and zero point differ in shape");
  }
  if (!quantized_dtype(to)) refuse(node, "cannot quantize to {}", dtype_name(to));
  quantization_axis(node, context.inputs[0].shape, context.inputs[1].shape);
  add_output(context, to, context.inputs[0].shape);
}

void run_quantize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Axis axis = quantization_axis(node, inputs[0].shape, inputs[1].shape);
  const float* scales = inputs[1].as<float>();
  visit_number(node, inputs[0].dtype, [&](auto source) {
    using X = decltype(source);
    visit_integer(node, outputs[0].dtype, [&](auto target) {
      using T = decltype(target);
      const X* x = inputs[0].as<X>();
      T* y = outputs[0].as<T>();
      for (std::int64_t o = 0; o < axis.outer; ++o)
        for (std::int64_t c = 0; c < axis.count; ++c)
          for (std::int64_t i = 0; i < axis.inner; ++i)
            *y++ = quantize<T>(static_cast<float>(*x++), scales[c],
                               node.has_input(2) ? inputs[2].as<T>()[c] : T(0));
    });
  });
}

void infer_dequantize(ShapeContext& context) {
  const Node& node = context.node;
  const DType from = context.inputs[0].dtype;
  if (!quantized_dtype(from) && from != DType::i32) refuse(node, "cannot dequantize {}", dtype_name(from));
  if (context.inputs[1].dtype != DType::f32)
    refuse(node, "scale must be float32, not {}", dtype_name(context.inputs[1].dtype));
  if (node.int_or("output_dtype", 1) != 1 && node.int_or("output_dtype", 0) != 0)
    unsupported(node, "only output_dtype float32 is there");
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (num_elements(context.inputs[2].shape) != num_elements(context.inputs[1].shape))
      refuse(node, "scale and zero point differ in shape");
  }
  quantization_axis(node, context.inputs[0].shape, context.inputs[1].shape);
  add_output(context, DType::f32, context.inputs[0].shape);
}

void run_dequantize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Axis axis = quantization_axis(node, inputs[0].shape, inputs[1].shape);
  const float* scales = inputs[1].as<float>();
  float* y = outputs[0].as<float>();
  visit_integer(node, inputs[0].dtype, [&](auto source) {
    using T = decltype(source);
    const T* x = inputs[0].as<T>();
    for (std::int64_t o = 0; o < axis.outer; ++o) {
      for (std::int64_t c = 0; c < axis.count; ++c) {
        const auto zero = node.has_input(2) ? static_cast<std::int64_t>(inputs[2].as<T>()[c]) : 0;
        for (std::int64_t i = 0; i < axis.inner; ++i)
          *y++ = static_cast<float>(static_cast<std::int64_t>(*x++) - zero) * scales[c];
      }
    }
  });
}

/// y (uint8), scale and zero point from the range of x widened to hold 0.
void infer_dynamic_quantize(ShapeContext& context) {
  if (context.inputs[0].dtype != DType::f32)
    refuse(context.node, "needs float32, not {}", dtype_name(context.inputs[0].dtype));
  add_output(context, DType::u8, context.inputs[0].shape);
  add_output(context, DType::f32, {});
  add_output(context, DType::u8, {});
}

void run_dynamic_quantize(const Node&, const Inputs& inputs, const Outputs& outputs) {
  const float* x = inputs[0].as<float>();
  const std::int64_t n = inputs[0].elements();
  float low = 0, high = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const float range = (high - low) / 255.0F;
  const float scale = range > 0 && std::isfinite(range) ? range : 1.0F;
  const auto zero = quantize<std::uint8_t>(-low, scale, std::uint8_t{0});
  if (outputs[0].data)
    for (std::int64_t i = 0; i < n; ++i)
      outputs[0].as<std::uint8_t>()[i] = quantize<std::uint8_t>(x[i], scale, zero);
  if (outputs.size() > 1 && outputs[1].data) *outputs[1].as<float>() = scale;
  if (outputs.size() > 2 && outputs[2].data) *outputs[2].as<std::uint8_t>() = zero;
}

}  // namespace

const std::vector<Operator>& quantize_operators() {
  static const std::vector<Operator> rows = {
      {"QuantizeLinear", "", 10, kNewestOpset, infer_quantize, run_quantize, 2, 3, 1,
       "axis:i saturate:i block_size:i output_dtype:i precision:i"},
      {"DequantizeLinear", "", 10, kNewestOpset, infer_dequantize, run_dequantize, 2, 3, 1,
       "axis:i block_size:i output_dtype:i"},
      {"DynamicQuantizeLinear", "", 11, kNewestOpset, infer_dynamic_quantize, run_dynamic_quantize, 1, 1, 3},
  };
  return rows;
}

}  // namespace edgeclip::engine
