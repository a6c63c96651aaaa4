#include "train/losses/sdm.h"

#include "base/error.h"
#include "train/losses/identities.h"

namespace edgeclip {

torch::Tensor sdm_loss(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids,
                       double temperature, double epsilon) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  EDGECLIP_CHECK(ids.numel() == image.size(0), "{} ids for a batch of {}", ids.numel(), image.size(0));
  const torch::Tensor logits = torch::matmul(image, text.t()) / temperature;
  const torch::Tensor label = (identity_distribution(ids) + epsilon).log();  // symmetric
  const auto divergence = [&](std::int64_t over) {
    const torch::Tensor predicted = torch::log_softmax(logits, over);
    return (predicted.exp() * (predicted - label)).sum(over).mean();
  };
  return divergence(1) + divergence(0);
}

torch::Tensor SdmLoss::forward(const Features& features) {
  return sdm_loss(features.image.unit, features.text.unit, features.ids, options_.temperature,
                  options_.epsilon);
}

}  // namespace edgeclip
