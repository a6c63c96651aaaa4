#include <algorithm>
#include <cmath>

#include "engine/ops/families.h"
#include "engine/ops/support.h"

/// Normalizations without learned parameters: LpNormalization, MeanVarianceNormalization and LRN.
namespace edgeclip::engine {

namespace {

/// y = x / |x|_p along an axis; zeros stay zeros.
void infer_lp_norm(ShapeContext& context) {
  const Node& node = context.node;
  normalize_axis(node, node.int_or("axis", -1), context.inputs[0].shape.size());
  if (const auto p = node.int_or("p", 2); p != 1 && p != 2) refuse(node, "a p of {}: 1 or 2", p);
  infer_same_float(context);
}

void run_lp_norm(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = normalize_axis(node, node.int_or("axis", -1), shape.size());
  const std::int64_t outer = product(shape, 0, axis), n = shape[axis],
                     inner = product(shape, axis + 1, shape.size());
  const bool squares = node.int_or("p", 2) == 2;
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const T* x = inputs[0].as<T>() + o * n * inner + i;
        T* y = outputs[0].as<T>() + o * n * inner + i;
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k) {
          const auto value = static_cast<double>(x[k * inner]);
          sum += squares ? value * value : std::fabs(value);
        }
        const double norm = squares ? std::sqrt(sum) : sum;
        for (std::int64_t k = 0; k < n; ++k)
          y[k * inner] = norm == 0 ? T(0) : static_cast<T>(static_cast<double>(x[k * inner]) / norm);
      }
    }
  });
}

/// Over which dimensions mean and variance are taken.
std::vector<bool> mean_axes(const Node& node, std::size_t rank) {
  std::vector<bool> reduced(rank, false);
  for (const std::size_t a : normalize_axes(node, node.ints_or("axes", {0, 2, 3}), rank)) reduced[a] = true;
  return reduced;
}

void infer_mean_variance(ShapeContext& context) {
  mean_axes(context.node, context.inputs[0].shape.size());
  infer_same_float(context);
}

/// y = (x - mean) / (sqrt(variance) + 1e-9), as the function body of the operator has it.
void run_mean_variance(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const auto reduced = mean_axes(node, shape.size());
  Shape kept = shape;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (reduced[d]) kept[d] = 1;
  const auto groups = static_cast<std::size_t>(num_elements(kept));
  const double count = static_cast<double>(inputs[0].elements()) / static_cast<double>(groups);
  // visit(group, element) for every element
  const Shape strides[1] = {broadcast_strides(kept, shape)};
  const auto for_each_element = [&](auto visit) {
    std::int64_t at = 0;
    for_each_row(shape, strides, [&](const std::int64_t* offsets, std::int64_t n, const std::int64_t* steps) {
      for (std::int64_t i = 0; i < n; ++i) visit(static_cast<std::size_t>(offsets[0] + i * steps[0]), at++);
    });
  };
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = inputs[0].as<T>();
    T* y = outputs[0].as<T>();
    std::vector<double> mean(groups), variance(groups);
    for_each_element([&](std::size_t g, std::int64_t i) { mean[g] += static_cast<double>(x[i]) / count; });
    for_each_element([&](std::size_t g, std::int64_t i) {
      const double off = static_cast<double>(x[i]) - mean[g];
      variance[g] += off * off / count;
    });
    for_each_element([&](std::size_t g, std::int64_t i) {
      y[i] = static_cast<T>((static_cast<double>(x[i]) - mean[g]) / (std::sqrt(variance[g]) + 1e-9));
    });
  });
}

/// x (N, C, ...): y = x / (bias + alpha / size * sum)^beta, the sum of squares over the `size` channels
/// around each one.
void infer_lrn(ShapeContext& context) {
  const Shape& shape = context.inputs[0].shape;
  if (shape.size() < 2) refuse(context.node, "needs (N, C, ...), not {}", shape_string(shape));
  if (const auto size = context.node.int_or("size", 1); size < 1)
    refuse(context.node, "a size of {}: it must be positive", size);
  infer_same_float(context);
}

void run_lrn(const Node& node, const Inputs& inputs, const Outputs& outputs) {
  const Shape& shape = inputs[0].shape;
  const std::int64_t channels = shape[1], inner = product(shape, 2, shape.size()),
                     size = node.int_or("size", 1);
  // floor((size - 1) / 2) before and the ceiling of it behind; more than there are make no difference
  const std::int64_t before = std::min((size - 1) / 2, channels), behind = std::min(size / 2, channels);
  const auto alpha = static_cast<double>(node.float_or("alpha", 1e-4F)),
             beta = static_cast<double>(node.float_or("beta", 0.75F)),
             bias = static_cast<double>(node.float_or("bias", 1.0F));
  visit_float(node, inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const T* x = inputs[0].as<T>() + n * channels * inner;
      T* y = outputs[0].as<T>() + n * channels * inner;
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t first = std::max<std::int64_t>(0, c - before),
                           end = std::min(channels, c + behind + 1);
        for (std::int64_t i = 0; i < inner; ++i) {
          double sum = 0;
          for (std::int64_t k = first; k < end; ++k) {
            const auto value = static_cast<double>(x[k * inner + i]);
            sum += value * value;
          }
          y[c * inner + i] = static_cast<T>(static_cast<double>(x[c * inner + i]) /
                                            std::pow(bias + alpha / static_cast<double>(size) * sum, beta));
        }
      }
    }
  });
}

}  // namespace

const std::vector<Operator>& lp_norm_operators() {
  static const std::vector<Operator> rows = {
      {"LpNormalization", "", 1, kNewestOpset, infer_lp_norm, run_lp_norm, 1, 1, 1, "axis:i p:i"},
      {"MeanVarianceNormalization", "", 9, kNewestOpset, infer_mean_variance, run_mean_variance, 1, 1, 1,
       "axes:I"},
      {"LRN", "", 1, kNewestOpset, infer_lrn, run_lrn, 1, 1, 1, "alpha:f beta:f bias:f size:i!"},
  };
  return rows;
}

}  // namespace edgeclip::engine
