#include "model/adapter.h"

#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "model/checkpoint.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";

bool is_off(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_object() || value.is_array()) && value.empty());
}

LoraOptions read_config(const fs::path& file) {
  const Json json = read_json(file);
  const std::string where = file.string();
  const auto type = json_get<std::string>(json, "peft_type", where);
  if (type != "LORA") invalid_input("{}: peft_type: \"{}\" is not supported, only \"LORA\" is", where, type);
  // Keys that would change what the adapter computes.
  for (const char* key :
       {"use_rslora", "use_dora", "use_qalora", "use_bdlora", "fan_in_fan_out", "lora_bias", "rank_pattern",
        "alpha_pattern", "modules_to_save", "layers_to_transform", "layer_replication", "exclude_modules",
        "target_parameters", "trainable_token_indices", "alora_invocation_tokens"})
    if (json.contains(key) && !is_off(json[key]))
      invalid_input("{}: {}: {} is not supported", where, key, json[key].dump());
  if (json.contains("bias") && json["bias"] != "none")
    invalid_input("{}: bias: {} is not supported, only \"none\" is", where, json["bias"].dump());
  LoraOptions options;
  options.rank = json_get<int>(json, "r", where);
  options.alpha = json_get<double>(json, "lora_alpha", where);
  if (json.contains("lora_dropout")) options.dropout = json_get<double>(json, "lora_dropout", where);
  if (options.rank < 1) invalid_input("{}: r: must be at least 1, is {}", where, options.rank);
  if (options.dropout < 0 || options.dropout >= 1)
    invalid_input("{}: lora_dropout: must be in [0, 1), is {}", where, options.dropout);
  const Json& targets = json_at(json, "target_modules", where);
  if (!targets.is_array() || targets.empty())
    invalid_input("{}: target_modules: must be a list of layer names", where);
  options.target_modules.clear();
  for (const auto& target : targets) {
    if (!target.is_string()) invalid_input("{}: target_modules: must be a list of layer names", where);
    options.target_modules.push_back(target.get<std::string>());
  }
  return options;
}

struct Part {
  std::string name;  ///< PEFT's
  torch::Tensor tensor;
};

std::vector<Part> parts_of(const DualEncoder& model) {
  std::vector<Part> parts;
  for (const auto& [name, linear] : model->linears()) {
    if (!linear->has_lora()) continue;
    parts.push_back({"base_model.model." + name + ".lora_A.weight", linear->lora_A});
    parts.push_back({"base_model.model." + name + ".lora_B.weight", linear->lora_B});
  }
  return parts;
}

}  // namespace

LoraOptions load_adapter(DualEncoder& model, const fs::path& directory) {
  const LoraOptions options = read_config(directory / kConfigFile);
  const SafetensorsFile file(directory / kWeightsFile);
  // Before memory is asked for: some tensor must have the rank that the configuration claims.
  const bool ranked = std::any_of(file.names().begin(), file.names().end(), [&](const std::string& name) {
    const Shape shape = file.get(name).shape();
    return !shape.empty() && (shape.front() == options.rank || shape.back() == options.rank);
  });
  if (!ranked)
    invalid_input("{}: no tensor has the rank {} that {} claims; copy the adapter again", file.file(),
                  options.rank, kConfigFile);
  model->attach_lora(options);
  const torch::NoGradGuard no_grad;
  std::set<std::string> used;
  for (auto& part : parts_of(model)) {
    const Tensor tensor = file.get(part.name);
    const Shape shape(part.tensor.sizes().begin(), part.tensor.sizes().end());
    if (tensor.shape() != shape || tensor.dtype() != DType::f32)
      invalid_input("{}: tensor \"{}\" is {} {}, the model and r = {} need float32 {}", file.file(),
                    part.name, dtype_name(tensor.dtype()), shape_string(tensor.shape()), options.rank,
                    shape_string(shape));
    part.tensor.copy_(from_tensor(tensor.view()));
    used.insert(part.name);
  }
  for (const auto& name : file.names())
    if (!used.count(name))
      invalid_input("{}: tensor \"{}\" belongs to no layer of the model that target_modules names",
                    file.file(), name);
  return options;
}

void save_adapter(const DualEncoder& model, const LoraOptions& options, const fs::path& directory) {
  NamedTensors tensors;
  for (const auto& part : parts_of(model)) tensors.emplace_back(part.name, to_tensor(part.tensor));
  EDGECLIP_CHECK(!tensors.empty(), "the model has no adapter");
  write_safetensors(directory / kWeightsFile, tensors, {{"format", "pt"}});
  Json json = Json::object();
  json["peft_type"] = "LORA";
  json["auto_mapping"] = {{"base_model_class", "CLIPModel"},
                          {"parent_library", "transformers.models.clip.modeling_clip"}};
  json["base_model_name_or_path"] = nullptr;
  json["bias"] = "none";
  json["fan_in_fan_out"] = false;
  json["inference_mode"] = true;
  json["init_lora_weights"] = true;
  json["lora_alpha"] = options.alpha;
  json["lora_dropout"] = options.dropout;
  json["modules_to_save"] = nullptr;
  json["r"] = options.rank;
  json["rank_pattern"] = Json::object();
  json["alpha_pattern"] = Json::object();
  json["target_modules"] = options.target_modules;
  json["task_type"] = nullptr;
  json["use_dora"] = false;
  json["use_rslora"] = false;
  write_json(directory / kConfigFile, json);
}

}  // namespace edgeclip
