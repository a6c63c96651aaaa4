#include "engine/ops/activation.h"
#include "engine/ops/families.h"
#include "engine/ops/joined_channels.h"
#include "engine/ops/support.h"

/// ChannelAffine (domain edgeclip, opset 1), what a BatchNormalization is after training:
///   x (N, C, ...), scale (C), shift (C): y as x = activation(scale[c] x + shift[c])
/// Further inputs are further channels of x: (N, C_0, ...), scale (C), shift (C), (N, C_1, ...), ...
/// Attributes are those of activation.h.
namespace edgeclip::engine {

namespace {

void infer_channel_affine(ShapeContext& context) {
  const Node& node = context.node;
  require_float(context, 0);
  activation_of(node);
  const Shape x = joined_channels(context, 3);
  for (const std::size_t i : {1, 2}) {
    require_same_dtype(context, 0, i);
    if (context.inputs[i].shape != Shape{x[1]})
      refuse(node, "input {} is {} for {} channels", i, shape_string(context.inputs[i].shape), x[1]);
  }
  add_output(context, context.inputs[0].dtype, x);
}

void run_channel_affine(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = outputs[0].shape;
  const Activation activation = activation_of(node);
  const std::int64_t plane = product(shape, 2, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T *scale = inputs[1].as<T>(), *shift = inputs[2].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const std::vector<const T*> planes = channel_planes<T>(inputs, 3, n);
      for (std::int64_t c = 0; c < shape[1]; ++c)
        for (std::int64_t i = 0; i < plane; ++i)
          *y++ = activate(scale[c] * planes[static_cast<std::size_t>(c)][i] + shift[c], activation);
    }
  });
}

}  // namespace

const std::vector<Operator>& channel_affine_operators() {
  static const std::vector<Operator> rows = {
      {"ChannelAffine", "edgeclip", 1, 1, infer_channel_affine, run_channel_affine, 3,
       Operator::kAnyNumber, 1, "activation:s activation_alpha:f activation_beta:f"},
  };
  return rows;
}

}  // namespace edgeclip::engine
