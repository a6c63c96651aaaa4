#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// TopK: the k largest (or smallest) elements along an axis and where they are.
namespace edgeclip::engine {

namespace {

/// k is an attribute before opset 10, the second input since.
void infer_topk(ShapeContext& context) {
  const Node& node = context.node;
  const DType dtype = context.inputs[0].dtype;
  if (!is_float(dtype) && !is_integer(dtype)) unsupported_type(node, dtype);
  Shape shape = context.inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  if (node.opset >= 10) {
    if (context.inputs[1].dtype != DType::i64)
      refuse(node, "k must be int64, not {}", dtype_name(context.inputs[1].dtype));
    if (num_elements(context.inputs[1].shape) != 1) refuse(node, "k must be one number");
  }
  const std::int64_t k = node.opset < 10 ? node.int_or("k", 0) : known_ints(context, 1, "k")[0];
  if (k < 0 || k > shape[axis]) refuse(node, "k is {} for {} elements along axis {}", k, shape[axis], axis);
  shape[axis] = k;
  add_output(context, dtype, shape);
  add_output(context, DType::i64, shape);
}

/// The order of values; a NaN counts as larger than every number (as NumPy sorts it).
template <class T>
bool goes_before(T a, T b, bool largest) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a) || std::isnan(b)) return largest ? !std::isnan(b) : !std::isnan(a);
  return largest ? a > b : a < b;
}

/// Of equal values the one of the lower index comes first.  The result is in order whatever `sorted` says:
/// any order is right without it.
void run_topk(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const bool largest = node.int_or("largest", 1) != 0;
  const std::int64_t outer = product(shape, 0, axis), n = shape[axis], k = outputs[0].shape[axis],
                     inner = product(shape, axis + 1, shape.size());
  visit_number(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const T* x = inputs[0].as<T>() + o * n * inner + i;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](std::int64_t a, std::int64_t b) {
          const T p = x[a * inner], q = x[b * inner];
          if (goes_before(p, q, largest)) return true;
          return !goes_before(q, p, largest) && a < b;
        });
        for (std::int64_t j = 0; j < k; ++j) {
          const std::int64_t from = order[static_cast<std::size_t>(j)], to = (o * k + j) * inner + i;
          outputs[0].as<T>()[to] = x[from * inner];
          if (outputs.size() > 1) outputs[1].as<std::int64_t>()[to] = from;
        }
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& topk_operators() {
  static const std::vector<Operator> rows = {
      {"TopK", "", 1, 9, infer_topk, run_topk, 1, 1, 2, "axis:i k:i!"},
      {"TopK", "", 10, 10, infer_topk, run_topk, 2, 2, 2, "axis:i"},
      {"TopK", "", 11, kNewestOpset, infer_topk, run_topk, 2, 2, 2, "axis:i largest:i sorted:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
