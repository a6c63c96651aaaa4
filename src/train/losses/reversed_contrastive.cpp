#include "train/losses/reversed_contrastive.h"

#include "base/error.h"
#include "train/losses/identities.h"

namespace edgeclip {

torch::Tensor reversed_contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                                        const torch::Tensor& logit_scale, const torch::Tensor& ids, double epsilon) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  return 0.5 * divergence_from_identities(logit_scale.exp() * torch::matmul(image, text.t()), ids, epsilon);
}

torch::Tensor ReversedContrastiveLoss::forward(const Features& features) {
  return reversed_contrastive_loss(features.image.unit, features.text.unit, features.logit_scale, features.ids,
                                   options_.epsilon);
}

}  // namespace edgeclip
