#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// LayerNormalization and BatchNormalization (inference).
namespace edgeclip::engine {

namespace {

/// x: (..., normalized...), scale and bias broadcast to the normalized part.  Y as x; Mean and InvStdDev: 1
/// in that part.
void infer_layer_norm(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& shape = context.inputs[0].shape;
  require_float(context, 0);
  if (node.int_or("stash_type", 1) != 1) unsupported(node, "only stash_type 1 is there");
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const Shape inner(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    if (!node.has_input(i)) continue;
    require_same_dtype(context, 0, i);
    if (!broadcasts_to(context.inputs[i].shape, inner))
      refuse(node, "input {} is {}, which does not broadcast to {}", i, shape_string(context.inputs[i].shape),
             shape_string(inner));
  }
  infer_same(context);
  Shape statistics = shape;
  for (std::size_t d = axis; d < statistics.size(); ++d) statistics[d] = 1;
  for (std::size_t i = 1; i < node.outputs.size(); ++i) add_output(context, DType::f32, statistics);
}

void run_layer_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const std::int64_t rows = product(shape, 0, axis), n = product(shape, axis, shape.size());
  const double epsilon = static_cast<double>(node.float_or("epsilon", 1e-5F));
  const Shape inner(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  const bool biased = node.has_input(2);
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    // scale and bias, spread over the normalized part
    std::vector<T> scale, bias;
    const auto spread = [&](const TensorView& from, std::vector<T>& to) {
      const Shape strides[1] = {broadcast_strides(from.shape, inner)};
      for_each_row(inner, strides,
                   [&](const std::int64_t* offsets, std::int64_t count, const std::int64_t* steps) {
                     for (std::int64_t i = 0; i < count; ++i)
                       to.push_back(from.as<T>()[offsets[0] + i * steps[0]]);
                   });
    };
    spread(inputs[1], scale);
    if (biased) spread(inputs[2], bias);
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* x = inputs[0].as<T>() + r * n;
      T* y = outputs[0].as<T>() + r * n;
      double sum = 0, squares = 0;
      for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
      const double mean = sum / static_cast<double>(n);
      for (std::int64_t i = 0; i < n; ++i)
        squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
      for (std::int64_t i = 0; i < n; ++i) {
        const auto k = static_cast<std::size_t>(i);
        y[i] = static_cast<T>((static_cast<double>(x[i]) - mean) * inverse) * scale[k] +
               (biased ? bias[k] : T(0));
      }
      if (outputs.size() > 1 && outputs[1].data) outputs[1].as<float>()[r] = static_cast<float>(mean);
      if (outputs.size() > 2 && outputs[2].data) outputs[2].as<float>()[r] = static_cast<float>(inverse);
    }
  });
}

/// x: (N, C, ...); scale, bias, mean, variance: (C,).
void infer_batch_norm(ShapeContext& context) {
  const Node& node = context.node;
  if (node.int_or("training_mode", 0) != 0 || node.outputs.size() > 1)
    unsupported(node, "is there for inference only");
  require_float(context, 0);
  if (context.inputs[0].shape.size() < 2)
    refuse(node, "needs (N, C, ...), not {}", shape_string(context.inputs[0].shape));
  for (std::size_t i = 1; i < 5; ++i) {
    require_same_dtype(context, 0, i);
    if (context.inputs[i].shape != Shape{context.inputs[0].shape[1]})
      refuse(node, "input {} is {}, the input has {} channels", i, shape_string(context.inputs[i].shape),
             context.inputs[0].shape[1]);
  }
  infer_same(context);
}

void run_batch_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::int64_t channels = shape[1], inner = product(shape, 2, shape.size());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T epsilon = static_cast<T>(node.float_or("epsilon", 1e-5F));
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    for (std::int64_t nc = 0; nc < shape[0] * channels; ++nc) {
      const std::int64_t c = nc % channels;
      const T scale = inputs[1].as<T>()[c] / std::sqrt(inputs[4].as<T>()[c] + epsilon);
      const T shift = inputs[2].as<T>()[c] - inputs[3].as<T>()[c] * scale;
      for (std::int64_t i = 0; i < inner; ++i) *y++ = *x++ * scale + shift;
    }
  });
}

}  // namespace

const std::vector<Operator>& normalization_operators() {
  static const std::vector<Operator> rows = {
      {"LayerNormalization", "", 17, kNewestOpset, infer_layer_norm, run_layer_norm, 2, 3, 3,
       "axis:i epsilon:f stash_type:i"},
      {"BatchNormalization", "", 9, kNewestOpset, infer_batch_norm, run_batch_norm, 5, 5, 5,
       "epsilon:f momentum:f training_mode:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
