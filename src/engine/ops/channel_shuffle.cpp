#include <algorithm>

#include "engine/ops/families.h"
#include "engine/ops/joined_channels.h"
#include "engine/ops/support.h"

/// ChannelShuffle (domain edgeclip, opset 1): the channels of `group` groups take turns.
///   x (N, C, ...): y as x, y[n, j group + i] = x[n, i C / group + j] for i < group, j < C / group
/// Further inputs are further channels of x: (N, C_0, ...), (N, C_1, ...), ...
/// It is Reshape to (N, group, C / group, ...), exchange of those two, and Reshape back.  Only elements move.
namespace edgeclip::engine {

namespace {

void infer_channel_shuffle(ShapeContext& context) {
  const Shape x = joined_channels(context, 1);
  const std::int64_t groups = context.node.int_or("group", 0);
  if (groups < 1 || x[1] % groups != 0) refuse(context.node, "{} channels in {} groups", x[1], groups);
  add_output(context, context.inputs[0].dtype, x);
}

void run_channel_shuffle(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = outputs[0].shape;
  const std::int64_t groups = node.int_or("group", 0), of_each = shape[1] / groups,
                     plane = product(shape, 2, shape.size());
  visit_storage(inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    T* y = storage<T>(outputs[0]);
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const std::vector<const T*> planes = channel_planes<T>(inputs, 1, n);
      for (std::int64_t j = 0; j < of_each; ++j)
        for (std::int64_t i = 0; i < groups; ++i, y += plane)
          std::copy_n(planes[static_cast<std::size_t>(i * of_each + j)], plane, y);
    }
  });
}

}  // namespace

const std::vector<Operator>& channel_shuffle_operators() {
  static const std::vector<Operator> rows = {
      {"ChannelShuffle", "edgeclip", 1, 1, infer_channel_shuffle, run_channel_shuffle, 1,
       Operator::kAnyNumber, 1, "group:i!"},
  };
  return rows;
}

}  // namespace edgeclip::engine
