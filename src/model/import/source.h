#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/image/transform.h"
#include "model/config/model_config.h"
#include "model/import/name_rules.h"
#include "model/import/weights.h"

namespace edgeclip {

/// json[key], or what the library takes where the key is missing or null.
template <class T>
T value_or(const Json& json, const char* key, T usual, const std::string& where) {
  return json.contains(key) && !json.at(key).is_null() ? json_get<T>(json, key, where) : usual;
}

/// What a source says of its model besides the weights.
struct ImportedModel {
  ModelConfig config;
  ImageTransform image;
};

/// One library's way of writing a dual encoder down: a file of import/ each, and a row of weight_sources().
struct WeightSource {
  const char* name;
  const char* what;  ///< for people
  bool (*fits)(const Weights&);
  /// Names that no rule fits are taken to be Hugging Face's, which are ours.
  const std::vector<NameRule>& (*rules)();
  /// config: the library's own file about the architecture, null if there is none; where: its name.  Throws
  /// InvalidInput if neither it nor the weights tell the architecture.
  ImportedModel (*describe)(const Weights& weights, const Json& config, const std::string& where);
  /// The names of that file, beside the weights.
  std::vector<std::string> config_files;
};

/// All of them, in the order in which they are tried.
const std::vector<WeightSource>& weight_sources();

WeightSource huggingface_source();  ///< transformers' CLIPModel
WeightSource open_clip_source();    ///< openai/CLIP and open_clip, which share their names

}  // namespace edgeclip
