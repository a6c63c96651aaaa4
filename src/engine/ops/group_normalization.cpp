#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// InstanceNormalization and GroupNormalization: x (N, C, ...) normalized over each group of channels and all
/// of their elements, (x - mean) / sqrt(variance + epsilon) * scale + bias.
namespace edgeclip::engine {

namespace {

std::int64_t groups_of(const Node& node, const Shape& x) {
  return node.op == "InstanceNormalization" ? x[1] : node.int_or("num_groups", 1);
}

void infer_group_norm(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& x = context.inputs[0].shape;
  require_float(context, 0);
  if (node.int_or("stash_type", 1) != 1) unsupported(node, "only stash_type 1 is there");
  if (x.size() < 2) refuse(node, "needs (N, C, ...), not {}", shape_string(x));
  const std::int64_t groups = groups_of(node, x);
  if (x[1] > 0 && (groups < 1 || x[1] % groups != 0)) refuse(node, "{} channels in {} groups", x[1], groups);
  // up to opset 20, GroupNormalization has one scale and bias for each group
  const bool per_group = node.op == "GroupNormalization" && node.opset < 21;
  const Shape wanted = {per_group ? groups : x[1]};
  for (const std::size_t i : {1, 2}) {
    require_same_dtype(context, 0, i);
    if (context.inputs[i].shape != wanted)
      refuse(node, "input {} is {}, not {}", i, shape_string(context.inputs[i].shape), shape_string(wanted));
  }
  infer_same(context);
}

void run_group_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const double epsilon = static_cast<double>(node.float_or("epsilon", 1e-5F));
  const std::int64_t groups = groups_of(node, shape), channels = shape[1] / groups,
                     inner = product(shape, 2, shape.size()), count = channels * inner;
  const bool per_group = inputs[1].shape[0] == groups;
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t r = 0; r < shape[0] * groups; ++r, x += count, y += count) {
      double sum = 0, squares = 0;
      for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
      const double mean = sum / static_cast<double>(count);
      for (std::int64_t i = 0; i < count; ++i)
        squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(count) + epsilon);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t group = r % groups, at = per_group ? group : group * channels + i / inner;
        y[i] = static_cast<T>((static_cast<double>(x[i]) - mean) * inverse *
                                  static_cast<double>(inputs[1].as<T>()[at]) +
                              static_cast<double>(inputs[2].as<T>()[at]));
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& group_norm_operators() {
  static const std::vector<Operator> rows = {
      {"InstanceNormalization", "", 6, kNewestOpset, infer_group_norm, run_group_norm, 3, 3, 1, "epsilon:f"},
      {"GroupNormalization", "", 18, 20, infer_group_norm, run_group_norm, 3, 3, 1,
       "epsilon:f num_groups:i!"},
      {"GroupNormalization", "", 21, kNewestOpset, infer_group_norm, run_group_norm, 3, 3, 1,
       "epsilon:f num_groups:i! stash_type:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
