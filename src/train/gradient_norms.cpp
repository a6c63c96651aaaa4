#include "train/gradient_norms.h"

#include <algorithm>

namespace edgeclip {

std::string layer_of(const std::string& parameter) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= parameter.size();) {
    const std::size_t end = std::min(parameter.find('.', begin), parameter.size());
    parts.push_back(parameter.substr(begin, end - begin));
    begin = end + 1;
  }
  const auto is_number = [](const std::string& part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
  };
  const auto number = std::find_if(parts.begin(), parts.end(), is_number);
  const std::size_t most = number != parts.end() ? static_cast<std::size_t>(number - parts.begin()) + 1 : 2;
  // The last part names the parameter itself.
  parts.resize(std::min(most, std::max<std::size_t>(parts.size() - 1, 1)));
  std::string layer;
  for (const std::string& part : parts) layer += (layer.empty() ? "" : ".") + part;
  return layer;
}

std::vector<std::pair<std::string, std::vector<double>>> gradient_norms(
    const std::vector<TrainedParameter>& parameters) {
  const torch::NoGradGuard no_grad;
  std::vector<std::pair<std::string, std::vector<double>>> layers;
  for (const TrainedParameter& parameter : parameters) {
    torch::Tensor gradient = parameter.value.grad();
    if (!gradient.defined()) continue;
    if (gradient.is_sparse()) gradient = gradient.coalesce().values();
    const std::string layer = layer_of(parameter.name);
    auto at =
        std::find_if(layers.begin(), layers.end(), [&](const auto& entry) { return entry.first == layer; });
    if (at == layers.end()) at = layers.insert(at, {layer, {}});
    at->second.push_back(gradient.norm().item<double>());
  }
  return layers;
}

}  // namespace edgeclip
