#include "model/lora/linear_layers.h"

namespace edgeclip {

std::vector<std::pair<std::string, Linear>> linear_layers(const torch::nn::Module& model) {
  std::vector<std::pair<std::string, Linear>> found;
  for (const auto& item : model.named_modules())
    if (auto layer = std::dynamic_pointer_cast<LinearImpl>(item.value()))
      found.emplace_back(item.key(), Linear(layer));
  return found;
}

}  // namespace edgeclip
