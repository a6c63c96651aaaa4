#include "model/lora/dora.h"

#include <limits>

#include "base/error.h"
#include "model/ops/linear.h"

namespace edgeclip {

namespace {

/// |V|, of which autograd sees nothing.
torch::Tensor direction_lengths(const torch::Tensor& weight, const LoraPair& pair) {
  LoraPair plain = pair;
  plain.magnitude.reset();
  return row_lengths(merged_weight(weight, plain));
}

}  // namespace

torch::Tensor row_lengths(const torch::Tensor& matrix) {
  return torch::linalg_vector_norm(matrix.to(torch::kFloat), 2, torch::IntArrayRef{1})
      .clamp_min(std::numeric_limits<float>::min());
}

torch::Tensor dora_linear(const torch::Tensor& x, const torch::Tensor& dropped, const torch::Tensor& weight,
                          const torch::Tensor& bias, const LoraPair& pair, ComputeType compute) {
  EDGECLIP_CHECK(pair.magnitude.defined());
  const torch::Tensor factor = pair.magnitude / direction_lengths(weight, pair);  // (out) float32
  const torch::Tensor base = ops::linear(x, weight, {}, compute);
  const torch::Tensor added =
      ops::linear(ops::linear(dropped, pair.A, {}, compute), pair.B, {}, compute) * pair.scale;
  torch::Tensor y = dropped.is_same(x)
                        ? (base + added) * factor
                        : base + ops::linear(dropped, weight, {}, compute) * (factor - 1) + added * factor;
  if (bias.defined()) y = y + bias;
  return y.to(base.scalar_type());
}

}  // namespace edgeclip
