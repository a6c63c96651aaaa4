#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// NT-Xent of SimCLR (Chen et al. 2020, arXiv:2002.05709): with z the unit rows of 2 B views, j(i) the other view of i's
/// image,
///   L = mean_i -ln( exp(<z_i, z_j(i)> / t) / sum_{k != i} exp(<z_i, z_k> / t) )
/// first, second: (B, D), rows of one image at the same place.  Returns a scalar.
torch::Tensor simclr_loss(const torch::Tensor& first, const torch::Tensor& second, double temperature);

/// Self-supervision of the image tower, as in TBPS-CLIP (Cao et al. 2024, arXiv:2308.10045): simclr_loss() of the image
/// embeddings of two views behind a head of its own (D -> hidden -> D, ReLU between), which trains with the model and is
/// saved with the run's state.  The first view is the batch's (TBPS-CLIP draws two more), the second differs from it by
/// what is drawn.  Validation draws nothing, so the loss is measured in training alone.
class SelfSupervisionLoss : public Loss {
 public:
  /// width: D.  The head's weights are drawn as PyTorch's Linear, from torch's generator.
  SelfSupervisionLoss(const SelfSupervisionOptions& options, std::int64_t width);
  torch::Tensor forward(const Features& features) override;

  torch::nn::Linear fc1{nullptr}, fc2{nullptr};

 private:
  const SelfSupervisionOptions options_;
};

}  // namespace edgeclip
