#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Symmetric contrastive loss (Radford et al. 2021, arXiv:2103.00020): with z = exp(s) * image text^T,
///   L = 1/2 mean_i H(q_i, softmax(z_i)) + 1/2 mean_j H(q_j, softmax(z^T_j)),   H(q, p) = -sum_k q_k ln p_k
/// image, text: (B, D) unit rows; logit_scale: scalar s.  Returns a scalar.
///
/// ids: (B) int64, the person of each pair, or undefined.  With ids, every pair of one person is right, with
/// equal weight (multi-positive): q_i is 1 / n over the n columns with i's id, which is N-ITC of TBPS-CLIP (Cao et al. 2024,
/// arXiv:2308.10045; the soft labels that its code mixes in are not there).  Without, q_i is 1 at i.
/// any_positive: -ln sum_k p_k over these columns in H's place, so that one of them is enough (the sum inside of the
/// logarithm, L_in of Khosla et al. 2020, arXiv:2004.11362, without its 1 / n, which is a constant; the other is its L_out).
/// label_smoothing e (Szegedy et al. 2016, arXiv:1512.00567): (1 - e) q + e / B in q's place.
torch::Tensor contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                               const torch::Tensor& logit_scale, const torch::Tensor& ids = {},
                               double label_smoothing = 0, bool any_positive = false);

/// Keeps the learned logit scale in [0, ln 100], as CLIP does after each step.
void clamp_logit_scale(torch::Tensor& logit_scale);

/// Right are the pairs of one person (identity_targets), or else those of one image: with all captions in an epoch, or a
/// person whose images a batch repeats, an image stands in it several times, and no caption of it is wrong.
class ContrastiveLoss : public Loss {
 public:
  explicit ContrastiveLoss(const ContrastiveOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const ContrastiveOptions options_;
};

}  // namespace edgeclip
