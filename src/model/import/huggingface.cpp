#include "base/error.h"
#include "model/import/source.h"

namespace edgeclip {

namespace {

bool fits(const Weights& weights) { return weights.contains("vision_model.embeddings.class_embedding"); }

const std::vector<NameRule>& rules() {
  static const std::vector<NameRule> table = {
      {"text_model.embeddings.position_ids", "", Change::kIgnore},
      {"vision_model.embeddings.position_ids", "", Change::kIgnore},
  };
  return table;
}

/// What both towers say.
template <class Tower>
void read_tower(const Json& json, Tower& tower, int width, int heads, int neurons, const std::string& where) {
  tower.hidden_size = value_or(json, "hidden_size", width, where);
  tower.num_hidden_layers = value_or(json, "num_hidden_layers", 12, where);
  tower.num_attention_heads = value_or(json, "num_attention_heads", heads, where);
  tower.intermediate_size = {value_or(json, "intermediate_size", neurons, where)};
  tower.hidden_act = value_or<std::string>(json, "hidden_act", "quick_gelu", where);
  tower.layer_norm_eps = value_or(json, "layer_norm_eps", 1e-5, where);
  if (tower.hidden_act != "quick_gelu" && tower.hidden_act != "gelu")
    invalid_input("{}: hidden_act: \"{}\" is not computed (gelu and quick_gelu are)", where,
                  tower.hidden_act);
}

ImportedModel describe(const Weights& weights, const Json& config, const std::string& where) {
  if (config.is_null())
    invalid_input(
        "{}: needs the config.json of its Hugging Face folder beside it; or name it with --model-config",
        weights.where());
  if (!config.contains("vision_config") || !config.contains("text_config"))
    invalid_input("{}: has no vision_config and text_config, so it is none of a CLIPModel", where);
  ImportedModel model;
  const Json &vision = config.at("vision_config"), &text = config.at("text_config");
  for (const auto& [tower, name] : {std::pair{&vision, "vision_config"}, std::pair{&text, "text_config"}})
    if (!tower->is_object())
      invalid_input("{}: {}: must be an object, found {}", where, name, json_kind(*tower));
  VisionConfig& v = model.config.vision;
  TextConfig& t = model.config.text;
  read_tower(vision, v, 768, 12, 3072, where + ": vision_config");
  read_tower(text, t, 512, 8, 2048, where + ": text_config");
  v.image_height = v.image_width = value_or(vision, "image_size", 224, where + ": vision_config");
  v.patch_size = value_or(vision, "patch_size", 32, where + ": vision_config");
  t.vocab_size = value_or(text, "vocab_size", 49408, where + ": text_config");
  t.max_position_embeddings = value_or(text, "max_position_embeddings", 77, where + ": text_config");
  t.bos_token_id = value_or(text, "bos_token_id", 49406, where + ": text_config");
  t.eos_token_id = value_or(text, "eos_token_id", 49407, where + ": text_config");
  t.pad_token_id = value_or(text, "pad_token_id", 1, where + ": text_config");
  if (t.eos_token_id == 2) {  // before transformers 4.30, and so read to this day: pooled at the largest id
    t.end_pooling = "largest_id";
    t.eos_token_id = t.vocab_size - 1;
    t.bos_token_id = t.vocab_size - 2;
    t.pad_token_id = t.eos_token_id;
  }
  model.config.projection_dim = value_or(config, "projection_dim", 512, where);
  model.image.resize = "shortest_crop";
  model.image.filter = "bicubic";
  model.image.crop_rounding = "floor";
  return model;
}

}  // namespace

WeightSource huggingface_source() {
  return {"huggingface", "transformers' CLIPModel", Towers::kBoth, fits, rules, describe, {"config.json"}};
}

}  // namespace edgeclip
