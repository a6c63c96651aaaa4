#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// R-ITC, the reversed contrastive loss of TBPS-CLIP (Cao et al. 2024, arXiv:2308.10045): with z = exp(s) * image text^T,
/// q_i = 1 / n over the n pairs of i's person,
///   L = 1/2 mean_i KL(softmax(z_i) || q_i + e) + 1/2 mean_j KL(softmax(z^T_j) || q_j + e)
/// which is half of losses/sdm.h at the learned temperature.  image, text: (B, D) unit rows; logit_scale: scalar s; ids:
/// (B) int64.  Returns a scalar.
torch::Tensor reversed_contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                                        const torch::Tensor& logit_scale, const torch::Tensor& ids, double epsilon);

class ReversedContrastiveLoss : public Loss {
 public:
  explicit ReversedContrastiveLoss(const ReversedContrastiveOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const ReversedContrastiveOptions options_;
};

}  // namespace edgeclip
