#pragma once

#include <vector>

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Identity classification (Zheng et al. 2020, arXiv:1711.05535, as in IRRA): one linear classifier W, b over
/// the C persons of the training split reads the embeddings of images and of texts, not normalized,
///   L = 1/2 mean_i H(y_i, softmax(W image_i + b)) + 1/2 mean_i H(y_i, softmax(W text_i + b))
/// with y_i 1 at i's person, or label_smoothing e of it spread over all (as in losses/contrastive.h).
///
/// The classifier belongs to the training: it is saved with the run's state, not with checkpoints.  Persons
/// of another split have no class, so the loss is measured in training alone.
class IdentityLoss : public Loss {
 public:
  /// persons: ids of the training split, each once or more often; width: D.  Weights N(0, 0.001^2), biases 0,
  /// from torch's generator.  where: what stands before "losses." in messages.  Throws InvalidInput if there are less than two persons.
  IdentityLoss(const IdentityOptions& options, std::vector<std::int64_t> persons, std::int64_t width,
               const std::string& where = "");
  torch::Tensor forward(const Features& features) override;

  torch::Tensor weight, bias;  ///< (C, D), (C)

 private:
  const IdentityOptions options_;
  torch::Tensor persons_;  ///< (C) int64, ascending: the class of an id is its place
};

}  // namespace edgeclip
