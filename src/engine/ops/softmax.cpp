#include <algorithm>
#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Softmax and LogSoftmax.  Since opset 13 over one axis (default: the last); before, over all axes from
/// `axis` (default 1) on, as one.
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

template <bool kLog>
void run_softmax(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const bool flat = node.opset < 13;
  const std::int64_t wanted = node.int_or("axis", flat ? 1 : -1);
  const std::size_t axis = flat && wanted == static_cast<std::int64_t>(shape.size())
                               ? shape.size()
                               : normalize_axis(node, wanted, shape.size());
  const std::int64_t outer = product(shape, 0, axis);
  const std::int64_t n = flat ? product(shape, axis, shape.size()) : shape[axis];
  const std::int64_t inner = flat ? 1 : product(shape, axis + 1, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
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

}  // namespace

const std::vector<Operator>& softmax_operators() {
  static const std::vector<Operator> rows = {
      {"Softmax", "", 1, kNewestOpset, infer_softmax, run_softmax<false>, 1, 1, 1, "axis:i"},
      {"LogSoftmax", "", 1, kNewestOpset, infer_softmax, run_softmax<true>, 1, 1, 1, "axis:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
