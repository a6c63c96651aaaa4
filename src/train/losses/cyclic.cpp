#include "train/losses/cyclic.h"

#include "base/error.h"

namespace edgeclip {

torch::Tensor cyclic_loss(const torch::Tensor& image, const torch::Tensor& text, double in_modal,
                          double cross_modal) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  const torch::Tensor images = torch::matmul(image, image.t()), texts = torch::matmul(text, text.t()),
                      across = torch::matmul(image, text.t());
  return in_modal * (images - texts).square().mean() + cross_modal * (across - across.t()).square().mean();
}

torch::Tensor CyclicLoss::forward(const Features& features) {
  return cyclic_loss(features.image.unit, features.text.unit, options_.in_modal, options_.cross_modal);
}

}  // namespace edgeclip
