#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Similarity distribution matching (Jiang and Ye 2023, IRRA, arXiv:2303.12501, equations 4 to 6): with
/// z = image text^T / t, q_i = 1 / n over the n pairs of i's person,
///   L = mean_i KL(softmax(z_i) || q_i + e) + mean_j KL(softmax(z^T_j) || q_j + e)
/// image, text: (B, D) unit rows; ids: (B) int64.  Returns a scalar.
torch::Tensor sdm_loss(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids,
                       double temperature, double epsilon);

class SdmLoss : public Loss {
 public:
  explicit SdmLoss(const SdmOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const SdmOptions options_;
};

}  // namespace edgeclip
