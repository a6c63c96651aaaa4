#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// LayerNormalization, RMSNormalization and BatchNormalization (inference).
namespace edgeclip::engine {

namespace {

/// x: (..., normalized...), scale and bias broadcast to the normalized part.  Y as x.  Gives the axis where
/// that part starts.
std::size_t infer_normalized(ShapeContext& context) {
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
  return axis;
}

/// The elements of a scale or bias, spread over the normalized part.
template <class T>
std::vector<T> spread(const TensorView& from, const Shape& inner) {
  std::vector<T> to;
  const Shape strides[1] = {broadcast_strides(from.shape, inner)};
  for_each_row(inner, strides,
               [&](const std::int64_t* offsets, std::int64_t count, const std::int64_t* steps) {
                 for (std::int64_t i = 0; i < count; ++i)
                   to.push_back(from.as<T>()[offsets[0] + i * steps[0]]);
               });
  return to;
}

/// Mean and InvStdDev: 1 in the normalized part.
void infer_layer_norm(ShapeContext& context) {
  const std::size_t axis = infer_normalized(context);
  Shape statistics = context.inputs[0].shape;
  for (std::size_t d = axis; d < statistics.size(); ++d) statistics[d] = 1;
  for (std::size_t i = 1; i < context.node.outputs.size(); ++i) add_output(context, DType::f32, statistics);
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
    const std::vector<T> scale = spread<T>(inputs[1], inner),
                         bias = biased ? spread<T>(inputs[2], inner) : std::vector<T>{};
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

void infer_rms_norm(ShapeContext& context) { infer_normalized(context); }

/// y = x / sqrt(mean of x^2 + epsilon) * scale.
void run_rms_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  if (outputs[0].elements() == 0) return;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const std::int64_t rows = product(shape, 0, axis), n = product(shape, axis, shape.size());
  const double epsilon = static_cast<double>(node.float_or("epsilon", 1e-5F));
  const Shape inner(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const std::vector<T> scale = spread<T>(inputs[1], inner);
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* x = inputs[0].as<T>() + r * n;
      T* y = outputs[0].as<T>() + r * n;
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
      for (std::int64_t i = 0; i < n; ++i)
        y[i] = static_cast<T>(static_cast<double>(x[i]) * inverse) * scale[static_cast<std::size_t>(i)];
    }
  });
}

/// What the statistics of x (N, C, ...) belong to: (C,), or (C, ...) with spatial = 0 (up to opset 8).
Shape batch_norm_features(const Node& node, const Shape& x) {
  if (node.int_or("spatial", 1) != 0) return {x[1]};
  return {x.begin() + 1, x.end()};
}

/// x: (N, C, ...); scale, bias, mean, variance: a value for each feature.
void infer_batch_norm(ShapeContext& context) {
  const Node& node = context.node;
  const Shape& x = context.inputs[0].shape;
  // up to opset 6, is_test tells and is off unless it is given
  const bool training =
      node.opset < 7 ? node.int_or("is_test", 0) == 0 : node.int_or("training_mode", 0) != 0;
  if (training || node.outputs.size() > 1) unsupported(node, "is there for inference only");
  require_float(context, 0);
  if (x.size() < 2) refuse(node, "needs (N, C, ...), not {}", shape_string(x));
  const Shape features = batch_norm_features(node, x);
  for (std::size_t i = 1; i < 5; ++i) {
    require_same_computed_dtype(context, 0, i);  // since opset 15 they may be wider than x
    if (context.inputs[i].shape != features)
      refuse(node, "input {} is {}, not {}", i, shape_string(context.inputs[i].shape),
             shape_string(features));
  }
  infer_same(context);
}

void run_batch_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  if (outputs[0].elements() == 0) return;
  const std::int64_t channels = num_elements(batch_norm_features(node, shape)),
                     inner = product(shape, 1, shape.size()) / channels;
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
      {"RMSNormalization", "", 23, kNewestOpset, infer_rms_norm, run_rms_norm, 2, 2, 1,
       "axis:i epsilon:f stash_type:i"},
      {"BatchNormalization", "", 6, 6, infer_batch_norm, run_batch_norm, 5, 5, 5,
       "epsilon:f is_test:i momentum:f spatial:i"},
      {"BatchNormalization", "", 7, 8, infer_batch_norm, run_batch_norm, 5, 5, 5,
       "epsilon:f momentum:f spatial:i"},
      {"BatchNormalization", "", 9, kNewestOpset, infer_batch_norm, run_batch_norm, 5, 5, 5,
       "epsilon:f momentum:f training_mode:i"},
  };
  return rows;
}

}  // namespace edgeclip::engine
