#include <algorithm>

#include "engine/ops/convert.h"
#include "engine/ops/families.h"
#include "engine/ops/quantization.h"
#include "engine/ops/support.h"

/// QuantizeLinear and DequantizeLinear with one scale, one per index of an axis (opset 13) or one per block
/// along an axis (opset 21), and DynamicQuantizeLinear.  `saturate` only matters for 8-bit floats, which the
/// engine does not have.
namespace edgeclip::engine {

namespace {

/// How scales and elements belong together: x as (outer, length, inner), the scales as (outer, blocks, inner)
/// where they are blocked, else as (blocks).
struct ScaleLayout {
  std::int64_t outer = 1, length = 1, inner = 1;
  std::int64_t block = 1;  ///< elements along the axis that share a scale
  std::int64_t blocks = 1;
  bool blocked = false;
  std::int64_t scale_of(std::int64_t o, std::int64_t c, std::int64_t i) const {
    return blocked ? (o * blocks + c / block) * inner + i : c / block;
  }
};

/// Throws InvalidInput if the shapes do not fit.
ScaleLayout scale_layout(const Node& node, const Shape& x, const Shape& scale) {
  const std::int64_t block = node.int_or("block_size", 0);
  if (block < 0) refuse(node, "block_size is {}", block);
  if (num_elements(scale) == 1 && scale.size() <= 1) {
    const std::int64_t all = num_elements(x);
    return {1, all, 1, std::max<std::int64_t>(all, 1), 1, false};
  }
  if (node.opset < 13) refuse(node, "scale is {}, not a scalar", shape_string(scale));
  const std::size_t a = normalize_axis(node, node.int_or("axis", 1), x.size());
  ScaleLayout layout{product(x, 0, a), x[a], product(x, a + 1, x.size()), 1, x[a], false};
  if (block > 0) {
    layout.blocked = true;
    layout.block = block;
    layout.blocks = x[a] / block + (x[a] % block != 0 ? 1 : 0);
    Shape wanted = x;
    wanted[a] = layout.blocks;
    if (scale != wanted)
      refuse(node, "scale is {}, not {}, for {} in blocks of {} along axis {}", shape_string(scale),
             shape_string(wanted), shape_string(x), block, a);
    return layout;
  }
  if (scale.size() != 1) refuse(node, "scale {} must be a scalar or one-dimensional", shape_string(scale));
  if (scale[0] != x[a]) refuse(node, "{} scales for {} along axis {}", scale[0], shape_string(x), a);
  return layout;
}

/// Calls visit(element, scale) for all elements in order.
template <class Visit>
void for_each_scaled(const ScaleLayout& layout, Visit visit) {
  std::int64_t at = 0;
  for (std::int64_t o = 0; o < layout.outer; ++o)
    for (std::int64_t c = 0; c < layout.length; ++c)
      for (std::int64_t i = 0; i < layout.inner; ++i) visit(at++, layout.scale_of(o, c, i));
}

/// Of the zero point, if there is one, which belongs to the scale.
void require_zero_point_shape(const ShapeContext& context) {
  const Shape &scale = context.inputs[1].shape, &zero = context.inputs[2].shape;
  const bool one = num_elements(scale) == 1 && num_elements(zero) == 1;  // () and (1) are used for each other
  if (scale != zero && !one)
    refuse(context.node, "scale {} and zero point {} differ in shape", shape_string(scale),
           shape_string(zero));
}

/// A scale is float32, or a 16-bit float that is computed as one.
void require_scale(const ShapeContext& context) {
  const DType dtype = context.inputs[1].dtype;
  if (computed_dtype(dtype) != DType::f32)
    refuse(context.node, "scale must be float32, float16 or bfloat16, not {}", dtype_name(dtype));
}

bool quantized_dtype(DType dtype) {
  return dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i16 || dtype == DType::u16;
}

void infer_quantize(ShapeContext& context) {
  const Node& node = context.node;
  const DType from = context.inputs[0].dtype;
  if (!is_float(from) && from != DType::i32) unsupported_type(node, from);
  require_scale(context);
  // The division is as precise as the scale unless `precision` says otherwise; 16-bit floats are computed in
  // float32.
  if (const std::int64_t precision = node.int_or("precision", 0);
      precision != 0 && precision != 1 && onnx_dtype(precision) != context.inputs[1].dtype)
    unsupported(node, "precision {} is not there, only float32 (1) and the type of the scale", precision);
  DType to = DType::u8;
  if (const std::int64_t wanted = node.int_or("output_dtype", 0); wanted != 0) {
    const std::optional<DType> dtype = onnx_dtype(wanted);
    if (!dtype) unsupported(node, "output_dtype {} is not there", wanted);
    to = *dtype;
    if (node.has_input(2) && context.inputs[2].dtype != to)
      refuse(node, "output_dtype is {}, the zero point {}", dtype_name(to),
             dtype_name(context.inputs[2].dtype));
  }
  if (node.has_input(2)) {
    to = context.inputs[2].dtype;
    require_zero_point_shape(context);
  }
  if (!quantized_dtype(to)) refuse(node, "cannot quantize to {}", dtype_name(to));
  scale_layout(node, context.inputs[0].shape, context.inputs[1].shape);
  add_output(context, to, context.inputs[0].shape);
}

void run_quantize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const ScaleLayout layout = scale_layout(node, inputs[0].shape, inputs[1].shape);
  const float* scales = inputs[1].as<float>();
  visit_number(node, inputs[0].dtype, [&](auto source) {
    using X = decltype(source);
    visit_integer(node, outputs[0].dtype, [&](auto target) {
      using T = decltype(target);
      const X* x = inputs[0].as<X>();
      const T* zeros = node.has_input(2) ? inputs[2].as<T>() : nullptr;
      T* y = outputs[0].as<T>();
      for_each_scaled(layout, [&](std::int64_t i, std::int64_t s) {
        y[i] = quantize<T>(static_cast<float>(x[i]), scales[s], zeros ? zeros[s] : T(0));
      });
    });
  });
}

void infer_dequantize(ShapeContext& context) {
  const Node& node = context.node;
  const DType from = context.inputs[0].dtype;
  if (!quantized_dtype(from) && from != DType::i32) refuse(node, "cannot dequantize {}", dtype_name(from));
  require_scale(context);
  DType to = context.inputs[1].dtype;
  if (const std::int64_t wanted = node.int_or("output_dtype", 0); wanted != 0) {
    const std::optional<DType> dtype = onnx_dtype(wanted);
    if (!dtype || computed_dtype(*dtype) != DType::f32)
      unsupported(node, "output_dtype {} is not there, only float32, float16 and bfloat16", wanted);
    to = *dtype;
  }
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    require_zero_point_shape(context);
  }
  scale_layout(node, context.inputs[0].shape, context.inputs[1].shape);
  add_output(context, to, context.inputs[0].shape);
}

void run_dequantize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const ScaleLayout layout = scale_layout(node, inputs[0].shape, inputs[1].shape);
  const float* scales = inputs[1].as<float>();
  float* y = outputs[0].as<float>();
  visit_integer(node, inputs[0].dtype, [&](auto source) {
    using T = decltype(source);
    const T* x = inputs[0].as<T>();
    const T* zeros = node.has_input(2) ? inputs[2].as<T>() : nullptr;
    for_each_scaled(layout, [&](std::int64_t i, std::int64_t s) {
      const auto zero = zeros ? static_cast<std::int64_t>(zeros[s]) : 0;
      y[i] = static_cast<float>(static_cast<std::int64_t>(x[i]) - zero) * scales[s];
    });
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
      {"QuantizeLinear", "", 10, 12, infer_quantize, run_quantize, 2, 3},
      {"QuantizeLinear", "", 13, 18, infer_quantize, run_quantize, 2, 3, 1, "axis:i"},
      {"QuantizeLinear", "", 19, 20, infer_quantize, run_quantize, 2, 3, 1, "axis:i saturate:i"},
      {"QuantizeLinear", "", 21, 22, infer_quantize, run_quantize, 2, 3, 1,
       "axis:i saturate:i block_size:i output_dtype:i"},
      {"QuantizeLinear", "", 23, kNewestOpset, infer_quantize, run_quantize, 2, 3, 1,
       "axis:i saturate:i block_size:i output_dtype:i precision:i"},
      {"DequantizeLinear", "", 10, 12, infer_dequantize, run_dequantize, 2, 3},
      {"DequantizeLinear", "", 13, 20, infer_dequantize, run_dequantize, 2, 3, 1, "axis:i"},
      {"DequantizeLinear", "", 21, 22, infer_dequantize, run_dequantize, 2, 3, 1, "axis:i block_size:i"},
      {"DequantizeLinear", "", 23, kNewestOpset, infer_dequantize, run_dequantize, 2, 3, 1,
       "axis:i block_size:i output_dtype:i"},
      {"DynamicQuantizeLinear", "", 11, kNewestOpset, infer_dynamic_quantize, run_dynamic_quantize, 1, 1, 3},
  };
  return rows;
}

}  // namespace edgeclip::engine
