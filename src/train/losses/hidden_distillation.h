#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Hints (FitNets: Romero et al. 2015, arXiv:1412.6550) of what the towers say before their projections: with h, t the
/// student's and the teacher's pooled states of one tower, W their widths, and a learned linear map r of h to t's width,
///   L = mean_i |r(h_i) - t_i|^2 / W_t,   the mean of that of images and of texts
/// The maps train with the model and are saved with the run's state.  States of single patches and words are no part of
/// it: their grids are those of two different towers.
class HiddenDistillationLoss : public Loss {
 public:
  /// Widths of a model's two towers.
  struct Widths {
    std::int64_t image, text;
  };
  /// The maps are drawn as PyTorch's Linear, from torch's generator.
  HiddenDistillationLoss(Widths student, Widths teacher);
  torch::Tensor forward(const Features& features) override;

  torch::nn::Linear image{nullptr}, text{nullptr};
};

}  // namespace edgeclip
