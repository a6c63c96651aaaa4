#include <algorithm>

#include "engine/ops/families.h"
#include "engine/ops/matmul_shape.h"
#include "engine/ops/quantization.h"
#include "engine/ops/support.h"

/// Matrix products.  float32 is summed in double, integers in unsigned 64 bits (they wrap around).
namespace edgeclip::engine {

namespace {

template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

void require_matmul_dtype(const ShapeContext& context) {
  require_same_dtype(context, 0, 1);
  if (!is_float(context.inputs[0].dtype) && !is_integer(context.inputs[0].dtype))
    unsupported_type(context.node, context.inputs[0].dtype);
}

void infer_matmul(ShapeContext& context) {
  require_matmul_dtype(context);
  add_output(context, context.inputs[0].dtype,
             matmul_shape(context.node, context.inputs[0].shape, context.inputs[1].shape).result);
}

void run_matmul(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const MatMulShape s = matmul_shape(node, inputs[0].shape, inputs[1].shape);
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for_each_matrix(s, [&](std::int64_t i, std::int64_t a, std::int64_t b) {
      multiply_matrices<Sum<T>>(inputs[0].as<T>() + a, inputs[1].as<T>() + b,
                                outputs[0].as<T>() + i * s.m * s.n, s.m, s.n, s.k,
                                [](std::int64_t, std::int64_t, Sum<T> sum) { return static_cast<T>(sum); });
    });
  });
}

/// y = alpha * op(a) * op(b) + beta * c, c broadcast to (M, N).
void infer_gemm(ShapeContext& context) {
  const Node& node = context.node;
  require_matmul_dtype(context);
  require_rank(context, 0, 2);
  require_rank(context, 1, 2);
  Shape a = context.inputs[0].shape, b = context.inputs[1].shape;
  if (node.int_or("transA", 0) != 0) std::swap(a[0], a[1]);
  if (node.int_or("transB", 0) != 0) std::swap(b[0], b[1]);
  if (a[1] != b[0])
    refuse(node, "{} x {} do not fit: {} against {}", shape_string(a), shape_string(b), a[1], b[0]);
  const Shape out = {a[0], b[1]};
  if (node.has_input(2)) {
    require_same_dtype(context, 0, 2);
    if (!broadcasts_to(context.inputs[2].shape, out))
      refuse(node, "C is {}, which does not broadcast to {}", shape_string(context.inputs[2].shape),
             shape_string(out));
  }
  add_output(context, context.inputs[0].dtype, out);
}

template <class T>
std::vector<T> transposed(const T* x, std::int64_t rows, std::int64_t columns) {
  std::vector<T> y(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) y[static_cast<std::size_t>(c * rows + r)] = x[r * columns + c];
  return y;
}

void run_gemm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const std::int64_t m = outputs[0].shape[0], n = outputs[0].shape[1];
  const bool trans_a = node.int_or("transA", 0) != 0, trans_b = node.int_or("transB", 0) != 0;
  const std::int64_t k = inputs[0].shape[trans_a ? 0 : 1];
  const auto alpha = static_cast<double>(node.float_or("alpha", 1)),
             beta = static_cast<double>(node.float_or("beta", 1));
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T *a = inputs[0].as<T>(), *b = inputs[1].as<T>();
    const T* c = node.has_input(2) ? inputs[2].as<T>() : nullptr;
    const Shape c_strides = c ? broadcast_strides(inputs[2].shape, outputs[0].shape) : Shape{0, 0};
    std::vector<T> at, bt;
    if (trans_a) a = (at = transposed(a, k, m)).data();
    if (trans_b) b = (bt = transposed(b, n, k)).data();
    multiply_matrices<Sum<T>>(
        a, b, outputs[0].as<T>(), m, n, k, [&](std::int64_t i, std::int64_t j, Sum<T> sum) {
          const T added = c ? c[i * c_strides[0] + j * c_strides[1]] : T(0);
          if constexpr (std::is_integral_v<T>)
            if (alpha == 1 && beta == 1) return static_cast<T>(sum + static_cast<Sum<T>>(added));
          return static_cast<T>(
              alpha * static_cast<double>(
                          static_cast<std::conditional_t<std::is_integral_v<T>, std::int64_t, double>>(sum)) +
              beta * static_cast<double>(added));
        });
  });
}

/// A zero point is left out, a scalar, one per row of A, or one per column of B.
void require_zero_point(const ShapeContext& context, std::size_t i, std::size_t of, std::int64_t per) {
  if (!context.node.has_input(i)) return;
  require_same_dtype(context, of, i);
  const std::int64_t count = num_elements(context.inputs[i].shape);
  if (count != 1 && (count != per || context.inputs[i].shape.size() > 2))
    refuse(context.node, "input {} is {}: one value, or {}", i, shape_string(context.inputs[i].shape), per);
}

void infer_matmul_integer(ShapeContext& context) {
  require_byte(context, 0);
  require_byte(context, 1);
  const MatMulShape s = matmul_shape(context.node, context.inputs[0].shape, context.inputs[1].shape);
  require_zero_point(context, 2, 0, s.m);
  require_zero_point(context, 3, 1, s.n);
  add_output(context, DType::i32, s.result);
}

/// Integers of A and B minus their zero points, as int32.
std::vector<std::int32_t> centred(const Node& node, const TensorView& x, const TensorView& zero,
                                  bool per_row) {
  const std::int64_t columns = x.shape.back(), rows = x.shape.size() > 1 ? x.shape[x.shape.size() - 2] : 1;
  std::vector<std::int32_t> y(static_cast<std::size_t>(x.elements()));
  visit_integer(node, x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* z = zero.data ? zero.as<T>() : nullptr;
    const bool many = z && zero.elements() > 1;
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      const std::int64_t at = !many ? 0 : per_row ? i / columns % rows : i % columns;
      y[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(x.as<T>()[i]) - (z ? static_cast<std::int32_t>(z[at]) : 0);
    }
  });
  return y;
}

TensorView optional_input(const Node& node, const Inputs& inputs, std::size_t i) {
  return node.has_input(i) ? inputs[i] : TensorView{};
}

void run_matmul_integer(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const MatMulShape s = matmul_shape(node, inputs[0].shape, inputs[1].shape);
  const auto a = centred(node, inputs[0], optional_input(node, inputs, 2), true);
  const auto b = centred(node, inputs[1], optional_input(node, inputs, 3), false);
  for_each_matrix(s, [&](std::int64_t i, std::int64_t a_at, std::int64_t b_at) {
    multiply_matrices<std::int64_t>(
        a.data() + a_at, b.data() + b_at, outputs[0].as<std::int32_t>() + i * s.m * s.n, s.m, s.n, s.k,
        [](std::int64_t, std::int64_t, std::int64_t sum) { return static_cast<std::int32_t>(sum); });
  });
}

/// Inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point; scales are scalars, or
/// b's per column.
void infer_qlinear_matmul(ShapeContext& context) {
  const Node& node = context.node;
  require_byte(context, 0);
  require_byte(context, 3);
  require_byte(context, 7);
  const MatMulShape s = matmul_shape(node, context.inputs[0].shape, context.inputs[3].shape);
  require_zero_point(context, 2, 0, 1);
  require_zero_point(context, 5, 3, s.n);
  for (const std::size_t i : {1, 4, 6}) {
    if (computed_dtype(context.inputs[i].dtype) != DType::f32)
      refuse(node, "input {} must be float32, float16 or bfloat16", i);
    const std::int64_t count = num_elements(context.inputs[i].shape);
    if (count != 1 && !(i == 4 && count == s.n))
      refuse(node, "input {} is {}, not a scalar", i, shape_string(context.inputs[i].shape));
  }
  if (num_elements(context.inputs[7].shape) != 1) refuse(node, "y_zero_point must be a scalar");
  add_output(context, context.inputs[7].dtype, s.result);
}

void run_qlinear_matmul(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const MatMulShape s = matmul_shape(node, inputs[0].shape, inputs[3].shape);
  const auto a = centred(node, inputs[0], inputs[2], true);
  const auto b = centred(node, inputs[3], inputs[5], false);
  const float a_scale = *inputs[1].as<float>(), y_scale = *inputs[6].as<float>();
  const bool per_column = inputs[4].elements() > 1;
  visit_integer(node, outputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T zero = *inputs[7].as<T>();
    for_each_matrix(s, [&](std::int64_t i, std::int64_t a_at, std::int64_t b_at) {
      multiply_matrices<std::int64_t>(a.data() + a_at, b.data() + b_at, outputs[0].as<T>() + i * s.m * s.n,
                                      s.m, s.n, s.k, [&](std::int64_t, std::int64_t j, std::int64_t sum) {
                                        const float real = static_cast<float>(sum) * a_scale *
                                                           inputs[4].as<float>()[per_column ? j : 0];
                                        return quantize<T>(real, y_scale, zero);
                                      });
    });
  });
}

}  // namespace

const std::vector<Operator>& matmul_operators() {
  static const std::vector<Operator> rows = {
      {"MatMul", "", 1, kNewestOpset, infer_matmul, run_matmul, 2, 2},
      {"Gemm", "", 7, kNewestOpset, infer_gemm, run_gemm, 2, 3, 1, "alpha:f beta:f transA:i transB:i"},
      {"MatMulInteger", "", 10, kNewestOpset, infer_matmul_integer, run_matmul_integer, 2, 4},
      {"QLinearMatMul", "", 10, kNewestOpset, infer_qlinear_matmul, run_qlinear_matmul, 8, 8},
  };
  return rows;
}

}  // namespace edgeclip::engine
