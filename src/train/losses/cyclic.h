#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// C-ITC, the cyclic consistency of CyCLIP (Goel et al. 2022, arXiv:2205.14459) as TBPS-CLIP has it (Cao et al. 2024,
/// arXiv:2308.10045): with u, v the unit rows of images and texts,
///   L = in_modal mean_jk (<u_j, u_k> - <v_j, v_k>)^2 + cross_modal mean_jk (<u_j, v_k> - <u_k, v_j>)^2
/// over all B x B pairs (CyCLIP's own code multiplies by B).  image, text: (B, D) unit rows.  Returns a scalar.
torch::Tensor cyclic_loss(const torch::Tensor& image, const torch::Tensor& text, double in_modal, double cross_modal);

class CyclicLoss : public Loss {
 public:
  explicit CyclicLoss(const CyclicOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const CyclicOptions options_;
};

}  // namespace edgeclip
