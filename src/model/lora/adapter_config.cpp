#include "model/lora/adapter_config.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "model/lora/name_match.h"

namespace edgeclip {

namespace {

/// Keys that say nothing about what the adapter computes.
const std::set<std::string> kSilent = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version",      "revision",
    "task_type",    "megatron_core",           "layers_pattern", "qalora_group_size", "runtime_config",
    "peft_type"};
/// Keys that are read below.
const std::set<std::string> kRead = {"r",
                                     "lora_alpha",
                                     "use_rslora",
                                     "lora_dropout",
                                     "target_modules",
                                     "exclude_modules",
                                     "modules_to_save",
                                     "bias",
                                     "rank_pattern",
                                     "alpha_pattern",
                                     "init_lora_weights",
                                     "use_dora"};

bool is_off(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_object() || value.is_array()) && value.empty());
}

std::vector<std::string> names_of(const Json& value, const char* key, const std::string& where) {
  std::vector<std::string> names;
  for (const auto& name : value) {
    if (!name.is_string()) invalid_input("{}: {}: must hold names of modules", where, key);
    names.push_back(name.get<std::string>());
  }
  return names;
}

/// A list of names, or PEFT's string: an expression of whole names.
std::vector<std::string> modules_of(const Json& json, const char* key, bool all_linear,
                                    const std::string& where) {
  if (!json.contains(key) || json.at(key).is_null()) return {};
  const Json& value = json.at(key);
  if (value.is_array()) return names_of(value, key, where);
  if (!value.is_string()) invalid_input("{}: {}: must be a list of names or an expression", where, key);
  const std::string text = value.get<std::string>();
  if (all_linear && text == "all-linear") return {text};
  return {"re:" + text};
}

template <class T>
std::map<std::string, T> pattern_of(const Json& json, const char* key, const std::string& where) {
  std::map<std::string, T> pattern;
  if (!json.contains(key) || json.at(key).is_null()) return pattern;
  if (!json.at(key).is_object()) invalid_input("{}: {}: must be an object", where, key);
  for (const auto& [name, value] : json.at(key).items())
    pattern[name] = json_get<T>(json.at(key), name.c_str(), where + ": " + key);
  return pattern;
}

Json peft_modules(const std::vector<std::string>& modules) {
  if (modules.empty()) return nullptr;
  if (modules.size() == 1 && modules[0].rfind("re:", 0) == 0) return modules[0].substr(3);
  return modules;
}

bool peft_reads(const std::vector<std::string>& modules) {
  return (modules.size() == 1 && modules[0].rfind("re:", 0) == 0) ||
         std::all_of(modules.begin(), modules.end(), is_plain_name);
}

}  // namespace

LoraOptions lora_options_of(const Json& json, const std::string& where) {
  if (!json.is_object()) invalid_input("{}: is no object", where);
  const auto type = json_get<std::string>(json, "peft_type", where);
  if (type != "LORA") invalid_input("{}: peft_type: \"{}\" is not supported, only \"LORA\" is", where, type);
  for (const auto& [key, value] : json.items())
    if (!kSilent.count(key) && !kRead.count(key) && !is_off(value))
      invalid_input("{}: {}: {} is not supported; train the adapter without, or merge it with PEFT first",
                    where, key, value.dump());
  LoraOptions options;
  options.rank = json_get<int>(json, "r", where);
  options.alpha = json_get<double>(json, "lora_alpha", where);
  if (json.contains("lora_dropout")) options.dropout = json_get<double>(json, "lora_dropout", where);
  if (json.contains("use_dora")) options.dora = json_get<bool>(json, "use_dora", where);
  if (json.contains("use_rslora")) options.rank_stabilized = json_get<bool>(json, "use_rslora", where);
  options.target_modules = modules_of(json, "target_modules", true, where);
  if (options.target_modules.empty())
    invalid_input("{}: target_modules: must be a list of layer names, or an expression", where);
  options.exclude_modules = modules_of(json, "exclude_modules", false, where);
  if (json.contains("modules_to_save") && !json["modules_to_save"].is_null()) {
    if (!json["modules_to_save"].is_array()) invalid_input("{}: modules_to_save: must be a list", where);
    options.modules_to_save = names_of(json["modules_to_save"], "modules_to_save", where);
  }
  options.rank_pattern = pattern_of<int>(json, "rank_pattern", where);
  options.alpha_pattern = pattern_of<double>(json, "alpha_pattern", where);
  if (json.contains("bias")) {
    options.bias = json_get<std::string>(json, "bias", where);
    if (options.bias != "none" && options.bias != "all" && options.bias != "lora_only")
      invalid_input("{}: bias: \"{}\" is not none, all or lora_only", where, options.bias);
  }
  if (json.contains("init_lora_weights")) {
    const Json& init = json["init_lora_weights"];
    if (init == "gaussian")
      options.init = "gaussian";
    else if (!init.is_boolean() && !init.is_null())  // PiSSA and others change the base weights too
      invalid_input("{}: init_lora_weights: {} is not supported; only true, false and \"gaussian\" are",
                    where, init.dump());
  }
  options.validate(where + ": ");
  return options;
}

Json peft_config_of(const LoraOptions& options, const Json& before, const std::vector<std::string>& targets) {
  Json json =
      before.is_object()
          ? before
          : Json{{"peft_type", "LORA"},     {"auto_mapping", nullptr}, {"base_model_name_or_path", nullptr},
                 {"fan_in_fan_out", false}, {"inference_mode", true},  {"task_type", nullptr}};
  const bool all = options.target_modules == std::vector<std::string>{"all-linear"};
  json["r"] = options.rank;
  json["lora_alpha"] = options.alpha;
  json["lora_dropout"] = options.dropout;
  json["use_rslora"] = options.rank_stabilized;
  json["use_dora"] = options.dora;
  json["bias"] = options.bias;
  // PEFT has lists of names and single expressions, no other patterns: it is told what they came to.
  const bool came_to = all || !peft_reads(options.target_modules) || !peft_reads(options.exclude_modules);
  json["target_modules"] = came_to ? Json(targets) : peft_modules(options.target_modules);
  json["exclude_modules"] = peft_reads(options.exclude_modules) ? peft_modules(options.exclude_modules) : Json(nullptr);
  json["modules_to_save"] = options.modules_to_save.empty() ? Json(nullptr) : Json(options.modules_to_save);
  json["rank_pattern"] = options.rank_pattern;
  json["alpha_pattern"] = options.alpha_pattern;
  if (!before.is_object())
    json["init_lora_weights"] = options.init == "gaussian" ? Json("gaussian") : Json(true);
  return json;
}

}  // namespace edgeclip
