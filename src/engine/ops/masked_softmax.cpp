#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// MaskedSoftmax (domain edgeclip, opset 1): the middle of an attention.
///   x (..., n); mask (broadcasts into x's shape) or left out; y as x
///   y = softmax(x + mask) over the last axis
/// safe = 1: a row that no softmax has (all of it masked by -inf, or a NaN in it) gives zeros, as PyTorch's
/// scaled_dot_product_attention has it; safe = 0: it gives NaN.
namespace edgeclip::engine {

namespace {

void infer_masked_softmax(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, 0);
  const Shape& x = context.inputs[0].shape;
  if (x.empty()) refuse(node, "needs a last axis");
  if (node.has_input(1)) {
    require_same_dtype(context, 0, 1);
    if (!broadcasts_to(context.inputs[1].shape, x))
      refuse(node, "mask {} for {}", shape_string(context.inputs[1].shape), shape_string(x));
  }
  infer_same_float(context);
}

template <class T>
void softmax_row(T* y, std::int64_t n, bool safe) {
  const T most = *std::max_element(y, y + n);
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    y[k] = std::exp(y[k] - most);
    sum += static_cast<double>(y[k]);
  }
  const bool none = std::isnan(sum);
  const T scale = static_cast<T>(1 / sum);
  for (std::int64_t k = 0; k < n; ++k)
    y[k] = !none ? y[k] * scale : safe ? T(0) : std::numeric_limits<T>::quiet_NaN();
}

void run_masked_softmax(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const bool safe = node.int_or("safe", 0) != 0;
  const Shape& shape = inputs[0].shape;
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    const std::int64_t n = shape.back(), rows = num_elements(shape) / n;
    std::copy_n(x, rows * n, y);
    if (node.has_input(1)) {
      const T* mask = inputs[1].as<T>();
      T* row = y;
      const Shape strides[1] = {broadcast_strides(inputs[1].shape, shape)};
      for_each_row(shape, strides,
                   [&](const std::int64_t* offsets, std::int64_t count, const std::int64_t* steps) {
                     for (std::int64_t k = 0; k < count; ++k) row[k] += mask[offsets[0] + k * steps[0]];
                     row += count;
                   });
    }
    for (std::int64_t r = 0; r < rows; ++r) softmax_row(y + r * n, n, safe);
  });
}

}  // namespace

const std::vector<Operator>& masked_softmax_operators() {
  static const std::vector<Operator> rows = {
      {"MaskedSoftmax", "edgeclip", 1, 1, infer_masked_softmax, run_masked_softmax, 1, 2, 1, "safe:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
