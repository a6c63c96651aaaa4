#include <algorithm>
#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Softmax, LogSoftmax and Hardmax.  Since opset 13 over one axis (default: the last); before, over all axes
/// from `axis` (default 1) on, as one.
namespace edgeclip::engine {

namespace {

void infer_softmax(ShapeContext& context) {
  const bool flat = context.node.opset < 13;
  const Shape& shape = context.inputs[0].shape;
  if (flat && context.node.int_or("axis", 1) == static_cast<std::int64_t>(shape.size()))
    return infer_same_float(context);  // rows of one
  normalize_axis(context.node, context.node.int_or("axis", flat ? 1 : -1), shape.size());
  infer_same_float(context);
}

/// What is normalized together: n elements, `inner` apart, of each of outer * inner rows.
struct SoftmaxRows {
  std::int64_t outer = 1, n = 1, inner = 1;
};

SoftmaxRows softmax_rows(const Node& node, const Shape& shape) {
  const bool flat = node.opset < 13;
  const std::int64_t wanted = node.int_or("axis", flat ? 1 : -1);
  const std::size_t axis = flat && wanted == static_cast<std::int64_t>(shape.size())
                               ? shape.size()
                               : normalize_axis(node, wanted, shape.size());
  if (flat) return {product(shape, 0, axis), product(shape, axis, shape.size()), 1};
  return {product(shape, 0, axis), shape[axis], product(shape, axis + 1, shape.size())};
}

template <bool kLog>
void run_softmax(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const auto [outer, n, inner] = softmax_rows(node, inputs[0].shape);
  visit_float(node, inputs[0].dtype, [&, outer = outer, n = n, inner = inner](auto type) {
    using T = decltype(type);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const T* x = inputs[0].as<T>() + o * n * inner + i;
        T* y = outputs[0].as<T>() + o * n * inner + i;
        T most = n > 0 ? x[0] : T(0);
        for (std::int64_t k = 1; k < n; ++k) most = std::max(most, x[k * inner]);
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k) {
          y[k * inner] = std::exp(x[k * inner] - most);
          sum += static_cast<double>(y[k * inner]);
        }
        const T log_sum = static_cast<T>(std::log(sum)), scale = static_cast<T>(1 / sum);
        for (std::int64_t k = 0; k < n; ++k)
          y[k * inner] = kLog ? x[k * inner] - most - log_sum : y[k * inner] * scale;
      }
    }
  });
}

/// 1 at the first of the largest elements, 0 elsewhere.
void run_hardmax(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const SoftmaxRows rows = softmax_rows(node, inputs[0].shape);
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t o = 0; o < rows.outer; ++o) {
      for (std::int64_t i = 0; i < rows.inner; ++i) {
        const T* x = inputs[0].as<T>() + o * rows.n * rows.inner + i;
        T* y = outputs[0].as<T>() + o * rows.n * rows.inner + i;
        std::int64_t best = 0;
        for (std::int64_t k = 1; k < rows.n; ++k)
          if (x[k * rows.inner] > x[best * rows.inner]) best = k;
        for (std::int64_t k = 0; k < rows.n; ++k) y[k * rows.inner] = k == best ? T(1) : T(0);
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& softmax_operators() {
  static const std::vector<Operator> rows = {
      {"Softmax", "", 1, kNewestOpset, infer_softmax, run_softmax<false>, 1, 1, 1, "axis:i"},
      {"LogSoftmax", "", 1, kNewestOpset, infer_softmax, run_softmax<true>, 1, 1, 1, "axis:i"},
      {"Hardmax", "", 1, kNewestOpset, infer_softmax, run_hardmax, 1, 1, 1, "axis:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
