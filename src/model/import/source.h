#pragma once

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
  ModelConfig config;           ///< of the towers that the source has, and of the heads if it has both
  ImageTransform image;         ///< height and width are the model's
  bool any_image_size = false;  ///< the model's size is only the usual one
  bool ends_of_tokenizer =
      false;  ///< the file says no ids of begin and end: the tokenizer does, if there is one
};

enum class Towers { kBoth, kImage, kText };

/// One library's way of writing a model down: a file of import/ each, and a row of weight_sources().
struct WeightSource {
  const char* name;
  const char* what;  ///< for people
  Towers towers;     ///< of a source with both, the projection heads and the logit scale come too
  bool (*fits)(const Weights&);
  /// Names that no rule fits are taken to be Hugging Face's, which are ours.
  const std::vector<NameRule>& (*rules)();
  /// config: the library's own file about the architecture, null if there is none; where: its name.  Throws
  /// InvalidInput if neither it nor the weights tell the architecture, or if it is none that we have.
  ImportedModel (*describe)(const Weights& weights, const Json& config, const std::string& where);
  /// The names of that file, beside the weights.
  std::vector<std::string> config_files;

  bool has_both() const { return towers == Towers::kBoth; }
  bool has_image() const { return towers != Towers::kText; }
  bool has_text() const { return towers != Towers::kImage; }
};

/// All of them, in the order in which they are tried.
const std::vector<WeightSource>& weight_sources();

WeightSource huggingface_source();  ///< transformers' CLIPModel
WeightSource open_clip_source();    ///< openai/CLIP and open_clip, which share their names
WeightSource torchvision_source();  ///< torchvision's ResNets of Bottleneck blocks
WeightSource distilbert_source();   ///< transformers' DistilBertModel and the models around it

}  // namespace edgeclip
