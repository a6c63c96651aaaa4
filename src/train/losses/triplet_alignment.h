#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// TAL, the triplet alignment loss of RDE (Qin et al. 2024, arXiv:2308.09911): with S the cosines of images and texts, P_i
/// the pairs of i's person, N_i the others,
///   l(S_i) = [ m - sum_{k in P_i} a_k S_ik + t ln sum_{k in N_i} exp(S_ik / t) ]_+,   a = softmax over P_i of S_ik / t
///   L = mean_i l(S_i) + l(S^T_i)
/// The logarithm is an upper bound of the hardest negative's cosine, near it for a small t, so that all negatives pull.  a
/// is without gradient, as in the authors' code, which takes the sum over the batch where this is the mean.  A pair
/// without negatives gives 0.  image, text: (B, D) unit rows; ids: (B) int64.  Returns a scalar.
torch::Tensor triplet_alignment_loss(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids,
                                     double margin, double temperature);

class TripletAlignmentLoss : public Loss {
 public:
  explicit TripletAlignmentLoss(const TripletAlignmentOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const TripletAlignmentOptions options_;
};

}  // namespace edgeclip
