#include "model/lora/adapter_set.h"

#include "base/error.h"
#include "base/nearest.h"
#include "model/lora/linear_layers.h"
#include "model/weight.h"

namespace edgeclip {

void AdapterSet::add(const std::string& name, Adapter adapter) {
  EDGECLIP_CHECK(!name.empty());
  if (adapters_.count(name) != 0) invalid_input("adapter \"{}\": there is one of this name; give it another, or drop that one first", name);
  use("");
  if (adapters_.empty()) train_all(false);
  for (auto& [layer, pair] : adapter.pairs)
    for (torch::Tensor* part : {&pair.A, &pair.B, &pair.magnitude})
      if (part->defined()) part->requires_grad_(true);
  for (auto& [parameter, copy] : adapter.copies) copy.requires_grad_(true);
  adapters_.emplace(name, std::move(adapter));
  use(name);
}

void AdapterSet::use(const std::string& name) {
  if (!name.empty() && adapters_.count(name) == 0)
    invalid_input("adapter \"{}\" is not there: these are {}{}", name, fmt::join(names(), ", "), did_you_mean(name, names()));
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
  return adapter(used_);
}

const Adapter& AdapterSet::adapter(const std::string& name) const {
  EDGECLIP_CHECK(adapters_.count(name) == 1, "no adapter {}", name);
  if (name == used_) keep_copies();
  return adapters_.at(name);
}

void AdapterSet::train_beside(const std::vector<std::string>& patterns, const std::string& where) {
  change_used([&](Adapter& adapter) { copy_beside(adapter, model_, patterns, where); });
}

void AdapterSet::set_dropout(double dropout) {
  change_used([&](Adapter& adapter) {
    adapter.options.dropout = dropout;
    for (auto& [layer, pair] : adapter.pairs) pair.dropout = dropout;
  });
}

void AdapterSet::change_used(const std::function<void(Adapter&)>& change) {
  EDGECLIP_CHECK(!used_.empty(), "no adapter is used");
  const std::string name = used_;
  use("");
  try {
    change(adapters_.at(name));
  } catch (...) {
    use(name);
    throw;
  }
  use(name);
}

void AdapterSet::put_in(Adapter& adapter) {
  for (auto& [name, layer] : layers())
    if (const auto pair = adapter.pairs.find(name); pair != adapter.pairs.end())
      layer->attach_lora(pair->second);
  auto parameters = model_.named_parameters();
  for (auto& [name, copy] : adapter.copies) {
    torch::Tensor& parameter = parameters[name];
    base_[name] = parameter.detach();
    set_weight(parameter, copy);  // shared: what trains is the adapter's own
    parameter.requires_grad_(copy.requires_grad());
  }
}

/// Whoever sets a parameter (weight.h) gives it other memory than the copy's.
void AdapterSet::keep_copies() const {
  const auto parameters = model_.named_parameters();
  for (const auto& [name, value] : base_) {
    const torch::Tensor& parameter = parameters[name];
    adapters_.at(used_).copies.at(name) = parameter.detach().requires_grad_(parameter.requires_grad());
  }
}

void AdapterSet::take_out() {
  keep_copies();
  for (auto& [name, layer] : layers())
    if (layer->lora()) layer->detach_lora();
  auto parameters = model_.named_parameters();
  for (auto& [name, value] : base_) {
    torch::Tensor& parameter = parameters[name];
    parameter.mutable_grad().reset();
    parameter.requires_grad_(false);
    set_weight(parameter, value);
  }
  base_.clear();
}

void AdapterSet::merge() {
  EDGECLIP_CHECK(!used_.empty() && !merged_);
  for (auto& [name, layer] : layers()) {
    if (!layer->lora()) continue;
    const torch::Tensor base = merged_base_[name + ".weight"] = layer->weight.detach();
    set_weight(layer->weight, merged_weight(base, layer->detach_lora()).to(base.scalar_type()));
  }
  merged_ = true;
}

void AdapterSet::unmerge() {
  EDGECLIP_CHECK(merged_);
  const Adapter& adapter = adapters_.at(used_);
  for (auto& [name, layer] : layers()) {
    const auto base = merged_base_.find(name + ".weight");
    if (base == merged_base_.end()) continue;
    set_weight(layer->weight, base->second);
    layer->attach_lora(adapter.pairs.at(name));
  }
  merged_base_.clear();
  merged_ = false;
}

void AdapterSet::fold() {
  if (merged_) unmerge();
  for (auto& [name, layer] : layers())
    if (layer->lora())  // unrounded, whatever the base is stored in
      set_weight(layer->weight, merged_weight(layer->weight, layer->detach_lora()));
  base_.clear();
  used_.clear();
  adapters_.clear();
  train_all(true);
}

torch::Tensor AdapterSet::base_value(const std::string& name, const torch::Tensor& parameter) const {
  for (const auto* values : {&base_, &merged_base_})
    if (const auto found = values->find(name); found != values->end()) return found->second;
  return parameter;
}

void AdapterSet::store_base(torch::ScalarType type) {
  EDGECLIP_CHECK(!merged_);
  for (auto& item : model_.named_parameters())
    if (!item.value().requires_grad() && item.value().dim() >= 2 && base_.count(item.key()) == 0)
      set_weight(item.value(), item.value().detach().to(type));
}

void AdapterSet::train_all(bool on) {
  for (auto& parameter : model_.parameters()) {
    if (on && parameter.scalar_type() != torch::kFloat)
      set_weight(parameter, parameter.detach().to(torch::kFloat));
    parameter.requires_grad_(on);
  }
}

std::vector<std::pair<std::string, Linear>> AdapterSet::layers() const { return linear_layers(model_); }

}  // namespace edgeclip
