#include "train/losses/contrastive.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "train/losses/identities.h"

namespace edgeclip {

namespace {

/// Mean of -ln of the summed probability of all pairs of one person, along `dim` of (B, B) log-probabilities.
torch::Tensor surprise_of_any(const torch::Tensor& log_probabilities, const torch::Tensor& ids, int dim) {
  const torch::Tensor other = ids.unsqueeze(0).ne(ids.unsqueeze(1));
  return -log_probabilities.masked_fill(other, -std::numeric_limits<double>::infinity()).logsumexp(dim).mean();
}

}  // namespace

torch::Tensor contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                               const torch::Tensor& logit_scale, const torch::Tensor& ids,
                               double label_smoothing, bool any_positive) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  EDGECLIP_CHECK(!ids.defined() || ids.numel() == image.size(0), "{} ids for a batch of {}", ids.numel(),
                 image.size(0));
  const torch::Tensor cosines = torch::matmul(image.to(torch::kFloat), text.to(torch::kFloat).t());
  // A shift of all logits changes nothing but the rounding of the logit scale's gradient, a sum that cancels.
  const torch::Tensor logits = logit_scale.exp() * (cosines - cosines.detach().mean());
  const torch::Tensor to_text = torch::log_softmax(logits, 1), to_image = torch::log_softmax(logits, 0);
  const auto batch = static_cast<double>(image.size(0));
  torch::Tensor loss;
  if (!ids.defined() || all_different(ids))
    loss = -0.5 * (to_text.diagonal().mean() + to_image.diagonal().mean());
  else if (any_positive)
    loss = 0.5 * (surprise_of_any(to_text, ids, 1) + surprise_of_any(to_image, ids, 0));
  else
    loss = (identity_distribution(ids) * (to_text + to_image)).sum() * (-0.5 / batch);
  if (label_smoothing == 0) return loss;
  return (1 - label_smoothing) * loss - 0.5 * label_smoothing * (to_text.mean() + to_image.mean());
}

void clamp_logit_scale(torch::Tensor& logit_scale) {
  const torch::NoGradGuard no_grad;
  logit_scale.clamp_(0.0, std::log(100.0));
}

torch::Tensor ContrastiveLoss::forward(const Features& features) {
  return contrastive_loss(features.image.unit, features.text.unit, features.logit_scale,
                          options_.identity_targets ? features.ids : features.pairs,
                          options_.label_smoothing, options_.positives == "any");
}

}  // namespace edgeclip
