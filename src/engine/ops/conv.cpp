#include "engine/ops/convolution.h"
#include "engine/ops/families.h"
#include "engine/ops/quantization.h"

/// Conv, ConvInteger and QLinearConv of any number of spatial dimensions: x (N, C, spatial...), w (M, C /
/// group, kernel...), b (M): y (N, M, spatial...).  Padding is zero, of integers the zero point.
namespace edgeclip::engine {

namespace {

void infer_conv(ShapeContext& context) {
  require_float(context, 0);
  require_same_dtype(context, 0, 1);
  const Shape& w = context.inputs[1].shape;
  Shape shape = conv_shape(context.node, context.inputs[0].shape, w);
  require_filter_bias(context, 2, context.inputs[0].dtype, w[0]);
  add_output(context, context.inputs[0].dtype, std::move(shape));
}

void run_conv(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* bias = node.has_input(2) ? inputs[2].as<T>() : nullptr;
    convolve<double>(
        node, inputs[0].shape, inputs[0].as<T>(), inputs[1].shape, inputs[1].as<T>(), outputs[0].shape,
        outputs[0].as<T>(), [](T x) { return static_cast<double>(x); },
        [](std::int64_t, T w) { return static_cast<double>(w); },
        [&](std::int64_t m, double sum) {
          return static_cast<T>(sum + (bias ? static_cast<double>(bias[m]) : 0));
        });
  });
}

/// Input i, if given: one value, or where `filters` is positive one for each of them.
void require_per_filter(const ShapeContext& context, std::size_t i, DType dtype, std::int64_t filters = 0) {
  if (!context.node.has_input(i)) return;
  const TensorView& x = context.inputs[i];
  if (x.dtype != dtype)
    refuse(context.node, "input {} must be {}, not {}", i, dtype_name(dtype), dtype_name(x.dtype));
  if (x.shape.size() > 1 || (num_elements(x.shape) != 1 && (filters == 0 || x.shape != Shape{filters})))
    refuse(context.node, "input {} is {}: one value{}", i, shape_string(x.shape),
           filters > 0 ? fmt::format(", or {}", filters) : "");
}

/// Inputs x, w, x_zero_point, w_zero_point.
void infer_conv_integer(ShapeContext& context) {
  require_byte(context, 0);
  require_byte(context, 1);
  const Shape& w = context.inputs[1].shape;
  Shape shape = conv_shape(context.node, context.inputs[0].shape, w);
  require_per_filter(context, 2, context.inputs[0].dtype);
  require_per_filter(context, 3, context.inputs[1].dtype, w[0]);
  add_output(context, DType::i32, std::move(shape));
}

/// A zero point that may be left out, for each filter or one for all.
template <class T>
struct FilterZeroPoint {
  const T* values = nullptr;
  bool many = false;
  FilterZeroPoint(const Node& node, const Inputs& inputs, std::size_t i) {
    if (!node.has_input(i)) return;
    values = inputs[i].as<T>();
    many = inputs[i].elements() > 1;
  }
  std::int64_t of(std::int64_t filter) const { return values ? values[many ? filter : 0] : 0; }
};

/// Integer sums over inputs x and w, whose zero points are inputs x_zero and w_zero.
template <class Y, class Finish>
void convolve_bytes(const Node& node, const Inputs& inputs, std::size_t x, std::size_t x_zero, std::size_t w,
                    std::size_t w_zero, const OutputView& output, Finish finish) {
  visit_integer(node, inputs[x].dtype, [&](auto x_type) {
    using X = decltype(x_type);
    visit_integer(node, inputs[w].dtype, [&](auto w_type) {
      using W = decltype(w_type);
      const FilterZeroPoint<X> zero_x(node, inputs, x_zero);
      const FilterZeroPoint<W> zero_w(node, inputs, w_zero);
      convolve<std::int64_t>(
          node, inputs[x].shape, inputs[x].as<X>(), inputs[w].shape, inputs[w].as<W>(), output.shape,
          output.as<Y>(), [&](X value) { return static_cast<std::int64_t>(value) - zero_x.of(0); },
          [&](std::int64_t m, W value) { return static_cast<std::int64_t>(value) - zero_w.of(m); }, finish);
    });
  });
}

void run_conv_integer(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  convolve_bytes<std::int32_t>(node, inputs, 0, 2, 1, 3, outputs[0],
                               [](std::int64_t, std::int64_t sum) { return static_cast<std::int32_t>(sum); });
}

/// Inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B; w's may be one for
/// each filter; B is int32 in units of x_scale * w_scale.
void infer_qlinear_conv(ShapeContext& context) {
  for (const std::size_t i : {0, 3, 7}) require_byte(context, i);
  const Shape& w = context.inputs[3].shape;
  Shape shape = conv_shape(context.node, context.inputs[0].shape, w);
  require_per_filter(context, 1, DType::f32);
  require_per_filter(context, 2, context.inputs[0].dtype);
  require_per_filter(context, 4, DType::f32, w[0]);
  require_per_filter(context, 5, context.inputs[3].dtype, w[0]);
  require_per_filter(context, 6, DType::f32);
  require_per_filter(context, 7, context.inputs[7].dtype);
  require_filter_bias(context, 8, DType::i32, w[0]);
  add_output(context, context.inputs[7].dtype, std::move(shape));
}

void run_qlinear_conv(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const float x_scale = *inputs[1].as<float>(), y_scale = *inputs[6].as<float>();
  const float* w_scale = inputs[4].as<float>();
  const bool many = inputs[4].elements() > 1;
  const std::int32_t* bias = node.has_input(8) ? inputs[8].as<std::int32_t>() : nullptr;
  visit_integer(node, outputs[0].dtype, [&](auto type) {
    using Y = decltype(type);
    const Y zero = *inputs[7].as<Y>();
    convolve_bytes<Y>(node, inputs, 0, 2, 3, 5, outputs[0], [&](std::int64_t m, std::int64_t sum) {
      const float real = static_cast<float>(sum + (bias ? bias[m] : 0)) * x_scale * w_scale[many ? m : 0];
      return quantize<Y>(real, y_scale, zero);
    });
  });
}

}  // namespace

const std::vector<Operator>& conv_operators() {
  constexpr const char* kAttributes = "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I";
  static const std::vector<Operator> rows = {
      {"Conv", "", 1, kNewestOpset, infer_conv, run_conv, 2, 3, 1, kAttributes},
      {"ConvInteger", "", 10, kNewestOpset, infer_conv_integer, run_conv_integer, 2, 4, 1, kAttributes},
      {"QLinearConv", "", 10, kNewestOpset, infer_qlinear_conv, run_qlinear_conv, 8, 9, 1, kAttributes},
  };
  return rows;
}

}  // namespace edgeclip::engine
