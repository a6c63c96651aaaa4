#include "train/losses/triplet_alignment.h"

#include "base/error.h"

namespace edgeclip {

torch::Tensor triplet_alignment_loss(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids,
                                     double margin, double temperature) {
  EDGECLIP_CHECK(image.dim() == 2 && image.sizes() == text.sizes(), "image and text must both be (B, D)");
  EDGECLIP_CHECK(ids.numel() == image.size(0), "{} ids for a batch of {}", ids.numel(), image.size(0));
  // Far below any cosine, yet finite: a row of it alone keeps a gradient that is a number.
  constexpr double kNone = -1e30;
  const torch::Tensor same = ids.unsqueeze(0).eq(ids.unsqueeze(1)), other = same.logical_not();
  const auto one_way = [&](const torch::Tensor& cosines) {
    const torch::Tensor scaled = cosines / temperature;
    const torch::Tensor a = torch::softmax(scaled.detach().masked_fill(other, kNone), 1);
    const torch::Tensor positive = (a * cosines).sum(1),
                        negative = temperature * scaled.masked_fill(same, kNone).logsumexp(1);
    return (margin - positive + negative).clamp_min(0).mean();
  };
  const torch::Tensor cosines = torch::matmul(image, text.t());
  return one_way(cosines) + one_way(cosines.t());
}

torch::Tensor TripletAlignmentLoss::forward(const Features& features) {
  return triplet_alignment_loss(features.image.unit, features.text.unit, features.ids, options_.margin,
                                options_.temperature);
}

}  // namespace edgeclip
