#include "train/losses/identity.h"

#include <algorithm>

#include "base/error.h"

namespace edgeclip {

IdentityLoss::IdentityLoss(const IdentityOptions& options, std::vector<std::int64_t> persons,
                           std::int64_t width, const std::string& where)
    : options_(options) {
  std::sort(persons.begin(), persons.end());
  persons.erase(std::unique(persons.begin(), persons.end()), persons.end());
  if (persons.size() < 2)
    invalid_input(
        "{0}losses.identity: the training split has {1} persons, and there is nothing to tell apart; set "
        "{0}losses.identity.weight to 0",
        where, persons.size());
  persons_ = torch::tensor(persons, torch::kInt64);
  const auto classes = static_cast<std::int64_t>(persons.size());
  weight = register_parameter("weight", torch::randn({classes, width}) * 0.001);
  bias = register_parameter("bias", torch::zeros({classes}));
}

torch::Tensor IdentityLoss::forward(const Features& features) {
  if (persons_.device() != features.ids.device()) persons_ = persons_.to(features.ids.device());
  const torch::Tensor labels = torch::searchsorted(persons_, features.ids.contiguous());
  const auto entropy = [&](const torch::Tensor& embeddings) {
    const torch::Tensor logits = torch::addmm(bias, embeddings, weight.t());
    return torch::cross_entropy_loss(logits, labels, {}, at::Reduction::Mean, -100, options_.label_smoothing);
  };
  return 0.5 * (entropy(features.image.projected) + entropy(features.text.projected));
}

}  // namespace edgeclip
