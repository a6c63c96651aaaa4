#include "engine/ops/quant_matmul.h"

#include <algorithm>
#include <utility>
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
  for (const std::size_t i : {kQuantA, kQuantW, kQuantWScale})
    if (!node.has_input(i)) refuse(node, "input {} is left out", static_cast<int>(i));
  const TensorView &a = in[kQuantA], &w = in[kQuantW], &scale = in[kQuantWScale];
  require_byte(context, kQuantA);
  const QuantMatMulAttributes attributes = quant_matmul_attributes(node);
  zero_point_of(node, "a_zero_point", a.dtype);
  if (w.dtype != DType::i8) refuse(node, "W is {}, not int8", dtype_name(w.dtype));
  require_rank(context, kQuantW, 2);
  if (a.shape.empty() || a.shape.back() != w.shape[0])
    refuse(node, "A {} does not fit W {}", shape_string(a.shape), shape_string(w.shape));
  const Shape columns = {w.shape[1]};
  if (scale.dtype != DType::f32 || scale.shape != columns)
    refuse(node, "w_scale is not float32 {}", shape_string(columns));
  if (node.has_input(kQuantBias) && (in[kQuantBias].dtype != DType::f32 || in[kQuantBias].shape != columns))
    refuse(node, "bias is not float32 {}", shape_string(columns));
  if (node.has_input(kQuantRowScale)) {
    Shape rows = a.shape;
    rows.back() = 1;
    if (in[kQuantRowScale].dtype != DType::f32 || in[kQuantRowScale].shape != rows)
      refuse(node, "row_scale is not float32 {}", shape_string(rows));
    if (attributes.a_scale != 1 || attributes.a_zero_point != 0)
      refuse(node, "a_scale and a_zero_point are not 1 and 0 beside a row_scale");
  }
  if (node.has_input(kQuantRowZeroPoint)) {
    if (!node.has_input(kQuantRowScale) || a.dtype != DType::u8)
      refuse(node, "a row_zero_point stands beside a row_scale and uint8 alone");
    const TensorView& zero = in[kQuantRowZeroPoint];
    if (zero.dtype != DType::i32 || zero.shape != in[kQuantRowScale].shape)
      refuse(node, "row_zero_point is not int32 {}", shape_string(in[kQuantRowScale].shape));
  }

  Shape out = product_shape(a, w);
  if (node.has_input(kQuantResidual)) {
    if (in[kQuantResidual].dtype != DType::f32)
      refuse(node, "residual is {}", dtype_name(in[kQuantResidual].dtype));
    out = broadcast_shapes(node, out, in[kQuantResidual].shape);
  }
  add_output(context, attributes.output.dtype, out);
}

/// sum_k (a[k] - zero_point) * w[k, n] for all n of one row.
template <class A>
void sum_products(const A* a, const std::int8_t* w, std::int64_t zero_point, std::int64_t k_count,
                  std::vector<std::int64_t>* sums) {
  std::fill(sums->begin(), sums->end(), 0);
  const auto n_count = static_cast<std::int64_t>(sums->size());
  for (std::int64_t k = 0; k < k_count; ++k) {
    const std::int64_t x = static_cast<std::int64_t>(a[k]) - zero_point;
    for (std::int64_t n = 0; n < n_count; ++n) (*sums)[static_cast<std::size_t>(n)] += x * w[k * n_count + n];
  }
}

void reference_quant_matmul(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const QuantMatMulAttributes attributes = quant_matmul_attributes(node);
  const Shape shape = product_shape(inputs[kQuantA], inputs[kQuantW]);
  const std::int64_t k_count = inputs[kQuantW].shape[0], n_count = inputs[kQuantW].shape[1];
  const auto* w = inputs[kQuantW].as<std::int8_t>();
  const float* w_scale = inputs[kQuantWScale].as<float>();
  const float* bias = node.has_input(kQuantBias) ? inputs[kQuantBias].as<float>() : nullptr;
  const float* row_scale = node.has_input(kQuantRowScale) ? inputs[kQuantRowScale].as<float>() : nullptr;
  const auto* row_zero =
      node.has_input(kQuantRowZeroPoint) ? inputs[kQuantRowZeroPoint].as<std::int32_t>() : nullptr;

  const std::int64_t rows = product(shape, 0, shape.size() - 1);
  std::vector<float> y(static_cast<std::size_t>(rows * n_count));
  std::vector<std::int64_t> sums(static_cast<std::size_t>(n_count));
  for (std::int64_t m = 0; m < rows; ++m) {
    const std::int64_t zero = row_zero ? row_zero[m] : attributes.a_zero_point;
    if (inputs[kQuantA].dtype == DType::u8)
      sum_products(inputs[kQuantA].as<std::uint8_t>() + m * k_count, w, zero, k_count, &sums);
    else
      sum_products(inputs[kQuantA].as<std::int8_t>() + m * k_count, w, zero, k_count, &sums);
    for (std::int64_t n = 0; n < n_count; ++n) {
      float value = static_cast<float>(sums[static_cast<std::size_t>(n)]) * (attributes.a_scale * w_scale[n]);
      if (row_scale) value *= row_scale[m];
      if (bias) value += bias[n];
      y[static_cast<std::size_t>(m * n_count + n)] = activate(value, attributes.activation);
    }
  }

  if (node.has_input(kQuantResidual)) {
    const float* residual = inputs[kQuantResidual].as<float>();
    const Shape& full = outputs[0].shape;
    const Shape strides[2] = {broadcast_strides(shape, full),
                              broadcast_strides(inputs[kQuantResidual].shape, full)};
    std::vector<float> sum;
    for_each_row(full, strides, [&](const std::int64_t* at, std::int64_t count, const std::int64_t* step) {
      for (std::int64_t i = 0; i < count; ++i)
        sum.push_back(y[static_cast<std::size_t>(at[0] + i * step[0])] + residual[at[1] + i * step[1]]);
    });
    y = std::move(sum);
  }
  store_output(y.data(), outputs[0].elements(), attributes.output, outputs[0]);
}

}  // namespace

QuantMatMulAttributes quant_matmul_attributes(const Node& node) {
  return {scale_of(node, "a_scale"), zero_point_of(node, "a_zero_point"), product_activation_of(node),
          output_quantization_of(node)};
}

const std::vector<Operator>& quant_operators() {
  static const std::vector<Operator> table = {
      {"QuantMatMul", "edgeclip", 1, 1, infer_quant_matmul, reference_quant_matmul, 3, 7, 1,
       "a_scale:f! a_zero_point:i! activation:s out_type:s out_scale:f out_zero_point:i"}};
  return table;
}

}  // namespace edgeclip::engine
