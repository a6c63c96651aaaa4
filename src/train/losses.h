#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

/// Training losses.  B pairs, D embedding width.
namespace edgeclip {

/// Symmetric contrastive loss (Radford et al. 2021): the mean of the image-to-text and the text-to-image
/// cross-entropy of logits = exp(logit_scale) * image text^T.  image, text: (B, D), unit rows; logit_scale:
/// scalar.  Returns a scalar.
///
/// ids: the person of each pair, or empty.  With ids, every pair of one person is right, with equal weight:
/// the target of row i is 1 / n over the n columns with i's id (soft-target cross-entropy).  Without, only
/// the diagonal is. Cosines are float32 whatever the inputs' type, what follows is float64: it costs nothing
/// at (B, B), and the logit scale's gradient is a sum that cancels.
torch::Tensor contrastive_loss(const torch::Tensor& image, const torch::Tensor& text,
                               const torch::Tensor& logit_scale, const std::vector<std::int64_t>& ids = {});

/// Keeps the learned logit scale in [0, ln 100], as CLIP does after each step.
void clamp_logit_scale(torch::Tensor& logit_scale);

}  // namespace edgeclip
