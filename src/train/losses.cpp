#include "train/losses.h"

#include <cmath>
#include <set>

#include "base/error.h"

namespace edgeclip {

namespace {

/// (B, B): row i is 1 / n at the n columns of i's identity.  Symmetric, so it serves both directions.
torch::Tensor identity_targets(const std::vector<std::int64_t>& ids) {
  const torch::Tensor id = torch::tensor(ids, torch::kInt64);
  const torch::Tensor same = id.unsqueeze(0).eq(id.unsqueeze(1)).to(torch::kFloat64);
  return same / same.sum(1, /*keepdim=*/true);
}

bool all_different(const std::vector<std::int64_t>& ids) {
  return std::set<std::int64_t>(ids.begin(), ids.end()).size() == ids.size();
}

}  // namespace

torch::Tensor contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                               const torch::Tensor& logit_scale, const std::vector<std::int64_t>& ids) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  EDGECLIP_CHECK(ids.empty() || static_cast<std::int64_t>(ids.size()) == image.size(0),
                 "{} ids for a batch of {}", ids.size(), image.size(0));
  const torch::Tensor cosines = torch::matmul(image.to(torch::kFloat32), text.to(torch::kFloat32).t());
  const torch::Tensor logits = logit_scale.exp().to(torch::kFloat64) * cosines.to(torch::kFloat64);
  const torch::Tensor to_text = torch::log_softmax(logits, 1), to_image = torch::log_softmax(logits, 0);
  if (all_different(ids)) return -0.5 * (to_text.diagonal().mean() + to_image.diagonal().mean());
  const double batch = static_cast<double>(image.size(0));
  return (identity_targets(ids) * (to_text + to_image)).sum() * (-0.5 / batch);
}

void clamp_logit_scale(torch::Tensor& logit_scale) {
  const torch::NoGradGuard no_grad;
  logit_scale.clamp_(0.0, std::log(100.0));
}

}  // namespace edgeclip
