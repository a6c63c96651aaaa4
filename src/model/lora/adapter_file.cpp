#include "model/lora/adapter_file.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/finite.h"
#include "model/lora/adapter_config.h"
#include "model/lora/name_match.h"
#include "model/tensors.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kAdapterWeights = "adapter_model.safetensors";
const std::string kPrefix = "base_model.model.";

/// What PEFT calls a parameter that the adapter has a copy of: an adapted layer is wrapped, and so is its
/// bias.
std::string file_name_of(const std::string& parameter, const Adapter& adapter) {
  const auto dot = parameter.rfind('.');
  if (dot == std::string::npos) return kPrefix + parameter;
  const std::string layer = parameter.substr(0, dot), leaf = parameter.substr(dot + 1);
  const bool wrapped = leaf == "bias" && adapter.pairs.count(layer) != 0;
  return kPrefix + layer + (wrapped ? ".base_layer." : ".") + leaf;
}

/// A weight that has a pair goes by another name in PEFT, which ignores it under its own.
bool is_paired_weight(const std::string& parameter, const Adapter& adapter) {
  const auto dot = parameter.rfind('.');
  return dot != std::string::npos && parameter.substr(dot + 1) == "weight" &&
         adapter.pairs.count(parameter.substr(0, dot)) != 0;
}

/// PEFT writes these beside a saved module when bias is "all", and does not read them.
bool is_leftover(const std::string& name) {
  return name.find(".original_module.") != std::string::npos ||
         name.find(".modules_to_save.") != std::string::npos;
}

class Reader {
 public:
  explicit Reader(const fs::path& path) : file_(path) {}

  /// In float32; what: for the message.
  torch::Tensor read(const std::string& name, const Shape& shape, const std::string& what) {
    const Tensor tensor = file_.get(name);
    const bool floats =
        tensor.dtype() == DType::f32 || tensor.dtype() == DType::f16 || tensor.dtype() == DType::bf16;
    if (tensor.shape() != shape || !floats)
      invalid_input("{}: tensor \"{}\" is {} {}, {} need {}", file_.file(), name, dtype_name(tensor.dtype()),
                    shape_string(tensor.shape()), what, shape_string(shape));
    used_.insert(name);
    const torch::Tensor value = from_tensor(tensor.view()).to(torch::kFloat);
    if (!all_finite(value))
      invalid_input(
          "{}: tensor \"{}\" holds values that are not finite; take an older copy of the adapter, or train it "
          "again",
          file_.file(), name);
    return value;
  }
  /// Whether the tensor is there and has not been read.
  bool has_more(const std::string& name) const { return contains(name) && used_.count(name) == 0; }
  bool contains(const std::string& name) const { return file_.contains(name); }
  void require_all_used() const {
    for (const auto& name : file_.names())
      if (!used_.count(name) && !is_leftover(name))
        invalid_input(
            "{}: tensor \"{}\" belongs to no linear layer that {} names (embeddings and convolutions get no "
            "adapters here)",
            file_.file(), name, kConfigFile);
  }

 private:
  const SafetensorsFile file_;
  std::set<std::string> used_;
};

}  // namespace

LoraOptions read_adapter_options(const fs::path& directory) {
  const fs::path config = directory / kConfigFile;
  if (!fs::exists(config))
    invalid_input("{}: holds no {}, so it is no PEFT adapter; name the folder that save_pretrained() wrote",
                  directory.string(), kConfigFile);
  return lora_options_of(read_json(config), config.string());
}

Adapter read_adapter(const torch::nn::Module& model, const fs::path& directory) {
  const fs::path config = directory / kConfigFile;
  Adapter adapter;
  adapter.options = read_adapter_options(directory);
  adapter.peft = read_json(config);
  Reader file(directory / kAdapterWeights);
  const std::string where = config.string() + ": ";
  const auto targets = lora_targets(model, adapter.options, /*strict=*/false, where);
  for (const LoraTarget& target : targets) {
    const Shape weight(target.layer->weight.sizes().begin(), target.layer->weight.sizes().end());
    const std::string name = kPrefix + target.name, what = fmt::format("the model and r = {}", target.rank);
    LoraPair pair;
    pair.A = file.read(name + ".lora_A.weight", {target.rank, weight[1]}, what);
    pair.B = file.read(name + ".lora_B.weight", {weight[0], target.rank}, what);
    pair.scale = target.scale;
    pair.dropout = adapter.options.dropout;
    if (adapter.options.dora) pair.magnitude = file.read(name + ".lora_magnitude_vector", {weight[0]}, "the model does");
    adapter.pairs.emplace(target.name, std::move(pair));
  }
  const auto parameters = model.named_parameters();
  for (const auto& name : copied_parameters(model, adapter.options, targets, where)) {
    const torch::Tensor& parameter = parameters[name];
    const std::string key = file_name_of(name, adapter);
    if (ends_with_name(name, "bias") && adapter.options.bias != "none" && !file.contains(key))
      continue;  // as in PEFT, the base's stays
    adapter.copies.emplace(
        name, file.read(key, Shape(parameter.sizes().begin(), parameter.sizes().end()), "the model does"));
  }
  // What the configuration cannot name: PEFT reads into the base whatever has a parameter's name there.
  for (const auto& item : parameters) {
    const std::string key = file_name_of(item.key(), adapter);
    if (file.has_more(key) && !is_paired_weight(item.key(), adapter))
      adapter.copies.emplace(item.key(), file.read(key, Shape(item.value().sizes().begin(), item.value().sizes().end()),
                                                   "the model does"));
  }
  file.require_all_used();
  return adapter;
}

void write_adapter(const Adapter& adapter, const fs::path& directory) {
  NamedTensors tensors;
  std::vector<std::string> targets;
  for (const auto& [name, pair] : adapter.pairs) {
    tensors.emplace_back(kPrefix + name + ".lora_A.weight", alias_tensor(pair.A));
    tensors.emplace_back(kPrefix + name + ".lora_B.weight", alias_tensor(pair.B));
    if (pair.magnitude.defined())
      tensors.emplace_back(kPrefix + name + ".lora_magnitude_vector", alias_tensor(pair.magnitude));
    targets.push_back(name);
  }
  for (const auto& [name, copy] : adapter.copies)
    tensors.emplace_back(file_name_of(name, adapter), alias_tensor(copy));
  EDGECLIP_CHECK(!tensors.empty(), "an adapter without weights");
  write_safetensors(directory / kAdapterWeights, tensors, {{"format", "pt"}});
  write_json(directory / kConfigFile, peft_config_of(adapter.options, adapter.peft, targets));
}

}  // namespace edgeclip
