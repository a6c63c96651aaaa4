#pragma once

#include <torch/torch.h>

/// Which pairs of a batch belong to one person.
namespace edgeclip {

/// (B, B) of type `type`: row i is 1 / n at the n columns of i's identity.  Symmetric, so it serves both
/// directions.  ids: (B) int64.
torch::Tensor identity_distribution(const torch::Tensor& ids, torch::ScalarType type = torch::kFloat);

/// Of (B, B) logits z, with q of identity_distribution(): mean_i KL(softmax(z_i) || q_i + e) and the same over columns,
/// added.
torch::Tensor divergence_from_identities(const torch::Tensor& logits, const torch::Tensor& ids, double epsilon);

/// Whether no two of ids (B) are equal.
bool all_different(const torch::Tensor& ids);

}  // namespace edgeclip
