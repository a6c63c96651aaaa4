#include "model/layer_weights.h"

#include "model/linear.h"

namespace edgeclip {

std::vector<std::pair<std::string, torch::Tensor>> layer_weights(const torch::nn::Module& model) {
  std::vector<std::pair<std::string, torch::Tensor>> weights;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    if (auto* linear = item.value()->as<LinearImpl>()) weights.emplace_back(item.key() + ".weight", linear->weight);
    if (auto* conv = item.value()->as<torch::nn::Conv2dImpl>()) weights.emplace_back(item.key() + ".weight", conv->weight);
  }
  return weights;
}

}  // namespace edgeclip
