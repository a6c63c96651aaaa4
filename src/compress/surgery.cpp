#include "compress/surgery.h"

#include <functional>
#include <map>

#include "base/error.h"
#include "model/weight.h"

namespace edgeclip {

namespace {

/// A model of that configuration, whose tensors are what value() says of their names.
Checkpoint rebuilt(const Checkpoint& checkpoint, const ModelConfig& config,
                   const std::function<torch::Tensor(const std::string&)>& value) {
  EDGECLIP_CHECK(!checkpoint.model->has_lora());
  const torch::NoGradGuard no_grad;
  Checkpoint result = checkpoint;
  result.config = config;
  result.model = DualEncoder(config);
  for (auto& item : result.model->named_parameters()) {
    const torch::Tensor tensor = value(item.key());
    EDGECLIP_CHECK(tensor.sizes() == item.value().sizes(), "{}: {} elements where the configuration says {}", item.key(),
                   tensor.numel(), item.value().numel());
    item.value().requires_grad_(tensor.requires_grad());
    set_weight(item.value(), tensor.detach());
  }
  for (auto& item : result.model->named_buffers()) set_weight(item.value(), value(item.key()));
  result.model->train(checkpoint.model->is_training());
  return result;
}

/// All parameters and buffers by their names.
std::map<std::string, torch::Tensor> tensors_of(const DualEncoder& model) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : model->named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : model->named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

/// The values of the units along a dimension, of which each has `size`.
torch::Tensor index_of(const std::vector<std::int64_t>& units, std::int64_t size) {
  std::vector<std::int64_t> values;
  for (const std::int64_t unit : units)
    for (std::int64_t i = 0; i < size; ++i) values.push_back(unit * size + i);
  return torch::tensor(values, torch::kInt64);
}

}  // namespace

Checkpoint with_units(const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups, const KeptUnits& kept) {
  EDGECLIP_CHECK(kept.size() == groups.size(), "{} lists for {} groups", kept.size(), groups.size());
  const torch::NoGradGuard no_grad;
  std::map<std::string, torch::Tensor> tensors = tensors_of(checkpoint.model);
  ModelConfig config = checkpoint.config;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EDGECLIP_CHECK(!kept[g].empty(), "{}: nothing is left", groups[g].name);
    if (static_cast<std::int64_t>(kept[g].size()) == groups[g].units) continue;
    groups[g].resize(config, static_cast<int>(kept[g].size()));
    for (const TensorSlice& slice : groups[g].slices) {
      torch::Tensor& tensor = tensors.at(slice.tensor);
      const bool trains = tensor.requires_grad();
      tensor = tensor.detach().index_select(slice.dim, index_of(kept[g], slice.size).to(tensor.device()));
      if (trains) tensor.requires_grad_();
    }
  }
  return rebuilt(checkpoint, config, [&](const std::string& name) { return tensors.at(name); });
}

Checkpoint without_block(const Checkpoint& checkpoint, const PruneBlock& block) {
  const std::map<std::string, torch::Tensor> tensors = tensors_of(checkpoint.model);
  ModelConfig config = checkpoint.config;
  block.remove(config);
  const std::string list = block.list + ".";
  return rebuilt(checkpoint, config, [&](const std::string& name) {
    if (name.rfind(list, 0) != 0) return tensors.at(name);
    const std::size_t end = name.find('.', list.size());
    const int index = std::stoi(name.substr(list.size(), end - list.size()));
    return tensors.at(index < block.index ? name : list + std::to_string(index + 1) + name.substr(end));
  });
}

}  // namespace edgeclip
