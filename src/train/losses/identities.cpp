#include "train/losses/identities.h"

#include "base/error.h"

namespace edgeclip {

torch::Tensor identity_distribution(const torch::Tensor& ids, torch::ScalarType type) {
  const torch::Tensor same = ids.unsqueeze(0).eq(ids.unsqueeze(1)).to(type);
  return same / same.sum(1, /*keepdim=*/true);
}

torch::Tensor divergence_from_identities(const torch::Tensor& logits, const torch::Tensor& ids, double epsilon) {
  EDGECLIP_CHECK(ids.numel() == logits.size(0), "{} ids for a batch of {}", ids.numel(), logits.size(0));
  const torch::Tensor label = (identity_distribution(ids) + epsilon).log();  // symmetric
  const auto divergence = [&](std::int64_t over) {
    const torch::Tensor predicted = torch::log_softmax(logits, over);
    return (predicted.exp() * (predicted - label)).sum(over).mean();
  };
  return divergence(1) + divergence(0);
}

bool all_different(const torch::Tensor& ids) {
  const torch::Tensor sorted = std::get<0>(ids.sort());
  const auto n = sorted.size(0);
  return n < 2 || !sorted.slice(0, 1).eq(sorted.slice(0, 0, n - 1)).any().item<bool>();
}

}  // namespace edgeclip
