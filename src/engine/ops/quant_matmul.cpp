#include "engine/ops/quant_matmul.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {
namespace {

Shape product_shape(const TensorView& a, const TensorView& w) {
  Shape shape = a.shape;
  shape.back() = w.shape[1];
  return shape;
}

void infer_quant_matmul(ShapeContext& context) {
  const Node& node = context.node;
  const Inputs& in = context.inputs;
  quant_matmul_attributes(node);
  for (const std::size_t i : {kQuantA, kQuantW, kQuantWScale})
    if (!node.has_input(i)) refuse(node, "input {} is left out", static_cast<int>(i));
  const TensorView &a = in[kQuantA], &w = in[kQuantW], &scale = in[kQuantWScale];
  if (a.dtype != DType::u8) refuse(node, "A is {}, not uint8", dtype_name(a.dtype));
  if (w.dtype != DType::i8) refuse(node, "W is {}, not int8", dtype_name(w.dtype));
  require_rank(context, kQuantW, 2);
  if (a.shape.empty() || a.shape.back() != w.shape[0])
    refuse(node, "A {} does not fit W {}", shape_string(a.shape), shape_string(w.shape));
  const Shape columns = {w.shape[1]};
  if (scale.dtype != DType::f32 || scale.shape != columns)
    refuse(node, "w_scale is not float32 {}", shape_string(columns));
  if (node.has_input(kQuantBias) && (in[kQuantBias].dtype != DType::f32 || in[kQuantBias].shape != columns))
    refuse(node, "bias is not float32 {}", shape_string(columns));

  Shape out = product_shape(a, w);
  if (node.has_input(kQuantResidual)) {
    if (in[kQuantResidual].dtype != DType::f32)
      refuse(node, "residual is {}", dtype_name(in[kQuantResidual].dtype));
    out = broadcast_shapes(node, out, in[kQuantResidual].shape);
  }
  add_output(context, DType::f32, out);
}

void reference_quant_matmul(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const QuantMatMulAttributes attributes = quant_matmul_attributes(node);
  const Shape shape = product_shape(inputs[kQuantA], inputs[kQuantW]);
  const std::int64_t k_count = inputs[kQuantW].shape[0], n_count = inputs[kQuantW].shape[1];
  const auto* a = inputs[kQuantA].as<std::uint8_t>();
  const auto* w = inputs[kQuantW].as<std::int8_t>();
  const float* w_scale = inputs[kQuantWScale].as<float>();
  const float* bias = node.has_input(kQuantBias) ? inputs[kQuantBias].as<float>() : nullptr;

  const std::int64_t rows = product(shape, 0, shape.size() - 1);
  std::vector<float> activated(static_cast<std::size_t>(rows * n_count));
  std::vector<std::int64_t> sums(static_cast<std::size_t>(n_count));
  for (std::int64_t m = 0; m < rows; ++m) {
    std::fill(sums.begin(), sums.end(), 0);
    for (std::int64_t k = 0; k < k_count; ++k) {
      const std::int64_t x = static_cast<std::int64_t>(a[m * k_count + k]) - attributes.a_zero_point;
      for (std::int64_t n = 0; n < n_count; ++n) sums[static_cast<std::size_t>(n)] += x * w[k * n_count + n];
    }
    for (std::int64_t n = 0; n < n_count; ++n) {
      const float y =
          static_cast<float>(sums[static_cast<std::size_t>(n)]) * (attributes.a_scale * w_scale[n]);
      activated[static_cast<std::size_t>(m * n_count + n)] =
          activate(bias ? y + bias[n] : y, attributes.activation);
    }
  }

  float* out = outputs[0].as<float>();
  if (!node.has_input(kQuantResidual)) {
    std::copy(activated.begin(), activated.end(), out);
    return;
  }
  const float* residual = inputs[kQuantResidual].as<float>();
  const Shape& full = outputs[0].shape;
  const Shape strides[2] = {broadcast_strides(shape, full),
                            broadcast_strides(inputs[kQuantResidual].shape, full)};
  for_each_row(full, strides, [&](const std::int64_t* at, std::int64_t count, const std::int64_t* step) {
    for (std::int64_t i = 0; i < count; ++i)
      *out++ = activated[static_cast<std::size_t>(at[0] + i * step[0])] + residual[at[1] + i * step[1]];
  });
}

}  // namespace

QuantMatMulAttributes quant_matmul_attributes(const Node& node) {
  const QuantMatMulAttributes attributes{node.float_or("a_scale", 0),
                                         static_cast<std::int32_t>(node.int_or("a_zero_point", 0)),
                                         product_activation_of(node)};
  if (!(attributes.a_scale > 0) || !std::isfinite(attributes.a_scale))
    refuse(node, "a_scale is not a positive number");
  const std::int64_t zero_point = node.int_or("a_zero_point", 0);
  if (zero_point < 0 || zero_point > 255) refuse(node, "a_zero_point {} is not in 0..255", zero_point);
  return attributes;
}

const std::vector<Operator>& quant_operators() {
  static const std::vector<Operator> table = {{"QuantMatMul", "edgeclip", 1, 1, infer_quant_matmul,
                                               reference_quant_matmul, 3, 5, 1,
                                               "a_scale:f! a_zero_point:i! activation:s"}};
  return table;
}

}  // namespace edgeclip::engine
