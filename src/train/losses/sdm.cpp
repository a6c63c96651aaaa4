#include "train/losses/sdm.h"

#include "base/error.h"
#include "train/losses/identities.h"

namespace edgeclip {

torch::Tensor sdm_loss(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids,
                       double temperature, double epsilon) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  return divergence_from_identities(torch::matmul(image, text.t()) / temperature, ids, epsilon);
}

torch::Tensor SdmLoss::forward(const Features& features) {
  return sdm_loss(features.image.unit, features.text.unit, features.ids, options_.temperature,
                  options_.epsilon);
}

}  // namespace edgeclip
