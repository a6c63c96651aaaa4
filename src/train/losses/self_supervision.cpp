#include "train/losses/self_supervision.h"

#include <limits>

#include "base/error.h"
#include "model/dual_encoder.h"

namespace edgeclip {

torch::Tensor simclr_loss(const torch::Tensor& first, const torch::Tensor& second, double temperature) {
  EDGECLIP_CHECK(first.dim() == 2 && first.sizes() == second.sizes(), "both views must be (B, D)");
  const std::int64_t batch = first.size(0);
  const torch::Tensor views = unit_rows(torch::cat({first, second}));
  const torch::Tensor itself = torch::eye(2 * batch, views.options().dtype(torch::kBool));
  const torch::Tensor logits = torch::matmul(views, views.t()) / temperature;
  const torch::Tensor log_probabilities =
      torch::log_softmax(logits.masked_fill(itself, -std::numeric_limits<double>::infinity()), 1);
  return -0.5 * (log_probabilities.diagonal(batch).mean() + log_probabilities.diagonal(-batch).mean());
}

SelfSupervisionLoss::SelfSupervisionLoss(const SelfSupervisionOptions& options, std::int64_t width)
    : options_(options) {
  fc1 = register_module("fc1", torch::nn::Linear(width, options.hidden_size));
  fc2 = register_module("fc2", torch::nn::Linear(options.hidden_size, width));
}

torch::Tensor SelfSupervisionLoss::forward(const Features& features) {
  EDGECLIP_CHECK(features.second_image.projected.defined(), "a batch without a second view");
  const auto head = [&](const torch::Tensor& x) { return fc2(torch::relu(fc1(x))); };
  return simclr_loss(head(features.image.projected), head(features.second_image.projected), options_.temperature);
}

}  // namespace edgeclip
