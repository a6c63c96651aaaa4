#include <cmath>

#include "engine/ops/activation.h"
#include "engine/ops/families.h"
#include "engine/ops/matmul_shape.h"
#include "engine/ops/support.h"

/// What the passes make of several nodes (domain edgeclip, opset 1).
///   Gelu(x) = x/2 (1 + erf(x / sqrt 2))        QuickGelu(x) = x sigmoid(1.702 x)
///   FusedMatMul(A (..., K), W (K, N), bias (N) or none, residual as the result or none)
///     = activation(A W + bias) + residual, activation none, relu, gelu or quick_gelu
///   L2Normalize(x; axis, epsilon) = x / max(||x||, epsilon) along axis
namespace edgeclip::engine {

namespace {

template <bool kQuick>
void run_gelu(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t i = 0, n = outputs[0].elements(); i < n; ++i)
      y[i] = kQuick ? quick_gelu(x[i]) : gelu(x[i]);
  });
}

void infer_fused_matmul(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, 0);
  require_same_computed_dtype(context, 0, 1);
  require_rank(context, 1, 2);
  if (context.inputs[0].shape.size() < 2)
    refuse(node, "A must have two dimensions or more, not {}", shape_string(context.inputs[0].shape));
  const MatMulShape s = matmul_shape(node, context.inputs[0].shape, context.inputs[1].shape);
  product_activation_of(node);
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (context.inputs[2].shape != Shape{s.n})
      refuse(node, "bias {} for {} columns", shape_string(context.inputs[2].shape), s.n);
  }
  if (node.has_input(3)) {
    require_same_dtype(context, 0, 3);
    if (context.inputs[3].shape != s.result)
      refuse(node, "residual {} for a result {}", shape_string(context.inputs[3].shape),
             shape_string(s.result));
  }
  add_output(context, context.inputs[0].dtype, s.result);
}

void run_fused_matmul(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Activation activation = activation_of(node);
  const std::int64_t k = inputs[1].shape[0], n = inputs[1].shape[1],
                     m = product(outputs[0].shape, 0, outputs[0].shape.size() - 1);
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* bias = node.has_input(2) ? inputs[2].as<T>() : nullptr;
    const T* residual = node.has_input(3) ? inputs[3].as<T>() : nullptr;
    multiply_matrices<double>(
        inputs[0].as<T>(), inputs[1].as<T>(), outputs[0].as<T>(), m, n, k,
        [&](std::int64_t i, std::int64_t j, double sum) {
          const T y = activate(static_cast<T>(sum + (bias ? static_cast<double>(bias[j]) : 0)), activation);
          return residual ? y + residual[i * n + j] : y;
        });
  });
}

void infer_l2_normalize(ShapeContext& context) {
  normalize_axis(context.node, context.node.int_or("axis", -1), context.inputs[0].shape.size());
  infer_same_float(context);
}

void run_l2_normalize(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const std::int64_t outer = product(shape, 0, axis), n = shape[axis],
                     inner = product(shape, axis + 1, shape.size());
  const double epsilon = static_cast<double>(node.float_or("epsilon", 0));
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const T* x = inputs[0].as<T>() + o * n * inner + i;
        T* y = outputs[0].as<T>() + o * n * inner + i;
        double squares = 0;
        for (std::int64_t k = 0; k < n; ++k)
          squares += static_cast<double>(x[k * inner]) * static_cast<double>(x[k * inner]);
        const T norm = static_cast<T>(std::max(std::sqrt(squares), epsilon));
        for (std::int64_t k = 0; k < n; ++k) y[k * inner] = x[k * inner] / norm;
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& fused_operators() {
  static const std::vector<Operator> rows = {
      {"Gelu", "edgeclip", 1, 1, infer_same_float, run_gelu<false>, 1, 1},
      {"QuickGelu", "edgeclip", 1, 1, infer_same_float, run_gelu<true>, 1, 1},
      {"FusedMatMul", "edgeclip", 1, 1, infer_fused_matmul, run_fused_matmul, 2, 4, 1, "activation:s"},
      {"L2Normalize", "edgeclip", 1, 1, infer_l2_normalize, run_l2_normalize, 1, 1, 1, "axis:i epsilon:f"},
  };
  return rows;
}

}  // namespace edgeclip::engine
