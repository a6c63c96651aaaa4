#include "train/losses/identities.h"

namespace edgeclip {

torch::Tensor identity_distribution(const torch::Tensor& ids, torch::ScalarType type) {
  const torch::Tensor same = ids.unsqueeze(0).eq(ids.unsqueeze(1)).to(type);
  return same / same.sum(1, /*keepdim=*/true);
}

bool all_different(const torch::Tensor& ids) {
  const torch::Tensor sorted = std::get<0>(ids.sort());
  const auto n = sorted.size(0);
  return n < 2 || !sorted.slice(0, 1).eq(sorted.slice(0, 0, n - 1)).any().item<bool>();
}

}  // namespace edgeclip
