#include "model/lora/adapter_set.h"

#include "base/error.h"
#include "base/nearest.h"
#include "model/lora/linear_layers.h"

namespace edgeclip {

void AdapterSet::add(const std::string& name, Adapter adapter) {
  EDGECLIP_CHECK(!name.empty());
  if (adapters_.count(name) != 0) invalid_input("adapter \"{}\": there is one of this name", name);
  use("");
  if (adapters_.empty()) train_all(false);
  adapters_.emplace(name, std::move(adapter));
  use(name);
}

void AdapterSet::use(const std::string& name) {
  if (!name.empty() && adapters_.count(name) == 0)
    invalid_input("adapter \"{}\" is not there{}", name, did_you_mean(name, names()));
  if (name == used_) return;
  if (!used_.empty()) {
    if (merged_) unmerge();
    take_out();
  }
  used_ = name;
  if (!name.empty()) put_in(adapters_.at(name));
}

void AdapterSet::remove(const std::string& name) {
  if (used_ == name) use("");
  adapters_.erase(name);
  if (adapters_.empty()) train_all(true);
}

std::vector<std::string> AdapterSet::names() const {
  std::vector<std::string> names;
  for (const auto& [name, adapter] : adapters_) names.push_back(name);
  return names;
}

const Adapter& AdapterSet::adapter() const {
  EDGECLIP_CHECK(!used_.empty(), "no adapter is used");
  return adapters_.at(used_);
}

void AdapterSet::put_in(Adapter& adapter) {
  for (auto& [name, layer] : layers())
    if (const auto pair = adapter.pairs.find(name); pair != adapter.pairs.end())
      layer->attach_lora(pair->second);
  auto parameters = model_.named_parameters();
  for (auto& [name, copy] : adapter.copies) {
    torch::Tensor& parameter = parameters[name];
    base_[name] = parameter.detach();
    parameter.set_data(copy);  // shared: what trains is the adapter's own
    parameter.requires_grad_(true);
  }
}

void AdapterSet::take_out() {
  for (auto& [name, layer] : layers())
    if (layer->has_lora()) layer->detach_lora();
  auto parameters = model_.named_parameters();
  for (auto& [name, value] : base_) {
    torch::Tensor& parameter = parameters[name];
    parameter.mutable_grad().reset();
    parameter.requires_grad_(false);
    parameter.set_data(value);
  }
  base_.clear();
}

void AdapterSet::merge() {
  EDGECLIP_CHECK(!used_.empty() && !merged_);
  for (auto& [name, layer] : layers())
    if (layer->has_lora()) layer->merge_lora();
  merged_ = true;
}

void AdapterSet::unmerge() {
  EDGECLIP_CHECK(merged_);
  for (auto& [name, layer] : layers())
    if (layer->is_merged()) layer->unmerge_lora();
  merged_ = false;
}

void AdapterSet::fold() {
  if (!used_.empty()) {
    for (auto& [name, layer] : layers())
      if (layer->has_lora()) layer->fold_lora();
    base_.clear();
  }
  used_.clear();
  merged_ = false;
  adapters_.clear();
  train_all(true);
}

torch::Tensor AdapterSet::base_value(const std::string& name, const torch::Tensor& parameter) const {
  if (const auto found = base_.find(name); found != base_.end()) return found->second;
  if (merged_ && name.size() > 7 && name.compare(name.size() - 7, 7, ".weight") == 0)
    for (const auto& [layer_name, layer] : layers())
      if (layer->is_merged() && layer_name.size() + 7 == name.size() && name.rfind(layer_name, 0) == 0)
        return layer->base_weight();
  return parameter;
}

void AdapterSet::store_base(torch::ScalarType type) {
  EDGECLIP_CHECK(!merged_);
  for (auto& item : model_.named_parameters())
    if (!item.value().requires_grad() && item.value().dim() >= 2 && base_.count(item.key()) == 0)
      item.value().set_data(item.value().detach().to(type));
}

void AdapterSet::train_all(bool on) {
  for (auto& parameter : model_.parameters()) {
    if (on && parameter.scalar_type() != torch::kFloat)
      parameter.set_data(parameter.detach().to(torch::kFloat));
    parameter.requires_grad_(on);
  }
}

std::vector<std::pair<std::string, Linear>> AdapterSet::layers() const { return linear_layers(model_); }

}  // namespace edgeclip
