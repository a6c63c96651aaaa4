#include "engine/ops/activation.h"
#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// ChannelAffine (domain edgeclip, opset 1), what a BatchNormalization is after training:
///   x (N, C, ...), scale (C), shift (C): y as x = activation(scale[c] x + shift[c])
/// Attributes are those of activation.h.
namespace edgeclip::engine {

namespace {

void infer_channel_affine(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& x = context.inputs[0].shape;
  require_float(context, 0);
  activation_of(node);
  if (x.size() < 2) refuse(node, "needs (N, C, ...), not {}", shape_string(x));
  for (const std::size_t i : {1, 2}) {
    require_same_dtype(context, 0, i);
    if (context.inputs[i].shape != Shape{x[1]})
      refuse(node, "input {} is {} for {} channels", i, shape_string(context.inputs[i].shape), x[1]);
  }
  infer_same(context);
}

void run_channel_affine(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const Activation activation = activation_of(node);
  const std::int64_t plane = product(shape, 2, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T *x = inputs[0].as<T>(), *scale = inputs[1].as<T>(), *shift = inputs[2].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t n = 0; n < shape[0]; ++n)
      for (std::int64_t c = 0; c < shape[1]; ++c)
        for (std::int64_t i = 0; i < plane; ++i) *y++ = activate(scale[c] * *x++ + shift[c], activation);
  });
}

}  // namespace

const std::vector<Operator>& channel_affine_operators() {
  static const std::vector<Operator> rows = {
      {"ChannelAffine", "edgeclip", 1, 1, infer_channel_affine, run_channel_affine, 3, 3, 1,
       "activation:s activation_alpha:f activation_beta:f"},
  };
  return rows;
}

}  // namespace edgeclip::engine
