#include <cmath>

#include "base/error.h"
#include "model/import/source.h"

namespace edgeclip {

namespace {

bool fits(const Weights& weights) {
  return weights.contains("visual.conv1.weight") && weights.contains("visual.class_embedding");
}

const std::vector<NameRule>& rules() {
  static const std::vector<NameRule> table = [] {
    std::vector<NameRule> rows = {
        {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
        {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
        {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
        {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"},
        {"visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"},
        {"visual.ln_post.weight", "vision_model.post_layernorm.weight"},
        {"visual.ln_post.bias", "vision_model.post_layernorm.bias"},
        {"visual.proj", "visual_projection.weight", Change::kTranspose},
        // Buffers of openai's TorchScript archives.
        {"input_resolution", "", Change::kIgnore},
        {"context_length", "", Change::kIgnore},
        {"vocab_size", "", Change::kIgnore},
        {"attn_mask", "", Change::kIgnore},
    };
    // The text tower's names, plain (CLIP) and below "text." (CustomTextCLIP).
    const std::vector<NameRule> text[] = {
        {{"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
         {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
         {"ln_final.weight", "text_model.final_layer_norm.weight"},
         {"ln_final.bias", "text_model.final_layer_norm.bias"},
         {"text_projection", "text_projection.weight", Change::kTranspose}},
        {{"text.token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
         {"text.positional_embedding", "text_model.embeddings.position_embedding.weight"},
         {"text.ln_final.weight", "text_model.final_layer_norm.weight"},
         {"text.ln_final.bias", "text_model.final_layer_norm.bias"},
         {"text.text_projection", "text_projection.weight", Change::kTranspose},
         {"text.attn_mask", "", Change::kIgnore}}};
    for (const auto& names : text) rows.insert(rows.end(), names.begin(), names.end());
#define EDGECLIP_BLOCK(from, to)                                                                          \
  {from "transformer.resblocks.#.attn.in_proj_weight", to "encoder.layers.#.self_attn.*_proj.weight",     \
   Change::kSplitQkv},                                                                                    \
      {from "transformer.resblocks.#.attn.in_proj_bias", to "encoder.layers.#.self_attn.*_proj.bias",     \
       Change::kSplitQkv},                                                                                \
      {from "transformer.resblocks.#.attn.out_proj.weight",                                               \
       to "encoder.layers.#.self_attn.out_proj.weight"},                                                  \
      {from "transformer.resblocks.#.attn.out_proj.bias", to "encoder.layers.#.self_attn.out_proj.bias"}, \
      {from "transformer.resblocks.#.ln_1.weight", to "encoder.layers.#.layer_norm1.weight"},             \
      {from "transformer.resblocks.#.ln_1.bias", to "encoder.layers.#.layer_norm1.bias"},                 \
      {from "transformer.resblocks.#.ln_2.weight", to "encoder.layers.#.layer_norm2.weight"},             \
      {from "transformer.resblocks.#.ln_2.bias", to "encoder.layers.#.layer_norm2.bias"},                 \
      {from "transformer.resblocks.#.mlp.c_fc.weight", to "encoder.layers.#.mlp.fc1.weight"},             \
      {from "transformer.resblocks.#.mlp.c_fc.bias", to "encoder.layers.#.mlp.fc1.bias"},                 \
      {from "transformer.resblocks.#.mlp.c_proj.weight", to "encoder.layers.#.mlp.fc2.weight"}, {         \
    from "transformer.resblocks.#.mlp.c_proj.bias", to "encoder.layers.#.mlp.fc2.bias"                    \
  }
    const std::vector<NameRule> blocks = {EDGECLIP_BLOCK("visual.", "vision_model."),
                                          EDGECLIP_BLOCK("", "text_model."),
                                          EDGECLIP_BLOCK("text.", "text_model.")};
#undef EDGECLIP_BLOCK
    rows.insert(rows.end(), blocks.begin(), blocks.end());
    return rows;
  }();
  return table;
}

/// openai/CLIP's build_model(): heads of 64, everything else from shapes, QuickGELU.  Only OpenAI's own
/// archives, which bring these buffers, are known to be so: open_clip's files have the same names, and often
/// GELU.
ModelConfig from_shapes(const Weights& weights, const std::string& text) {
  if (!weights.contains("input_resolution") && !weights.contains("context_length"))
    invalid_input(
        "{}: does not say its activation and heads; name open_clip's model configuration (or OpenAI's, with "
        "quick_gelu) with --model-config",
        weights.where());
  ModelConfig config;
  VisionConfig& v = config.vision;
  TextConfig& t = config.text;
  v.hidden_size = weights.dim("visual.conv1.weight", 4, 0);
  v.patch_size = weights.dim("visual.conv1.weight", 4, 3);
  constexpr int kMostPixels = 8192;
  const int patches = weights.dim("visual.positional_embedding", 2, 0) - 1;
  const auto grid = static_cast<int>(std::lround(std::sqrt(static_cast<double>(patches))));
  if (grid < 1 || std::int64_t{grid} * grid != patches || v.patch_size > kMostPixels)
    invalid_input(
        "{}: visual.positional_embedding has {} patches of {} pixels, which are no square; give "
        "--model-config",
        weights.where(), patches, v.patch_size);
  v.image_height = v.image_width = grid * v.patch_size;
  v.num_hidden_layers = weights.count_numbered("visual.transformer.resblocks.");
  v.intermediate_size = {weights.dim("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0)};
  t.vocab_size = weights.dim(text + "token_embedding.weight", 2, 0);
  t.hidden_size = weights.dim(text + "token_embedding.weight", 2, 1);
  t.max_position_embeddings = weights.dim(text + "positional_embedding", 2, 0);
  t.num_hidden_layers = weights.count_numbered(text + "transformer.resblocks.");
  t.intermediate_size = {weights.dim(text + "transformer.resblocks.0.mlp.c_fc.weight", 2, 0)};
  config.projection_dim = weights.dim(text + "text_projection", 2, 1);
  if (v.hidden_size % 64 != 0 || t.hidden_size % 64 != 0)
    invalid_input(
        "{}: widths {} and {} are no multiples of 64, so the number of heads is not known; name open_clip's "
        "model configuration with --model-config",
        weights.where(), v.hidden_size, t.hidden_size);
  v.num_attention_heads = v.hidden_size / 64;
  t.num_attention_heads = t.hidden_size / 64;
  return config;
}

/// An option of open_clip that changes what a tower computes, with the only value that is computed here (its
/// default).
struct FixedOption {
  const char* key;
  const char* value;
};
constexpr FixedOption kFixedInBoth[] = {
    {"ls_init_value", "null"}, {"norm_kwargs", "null"}, {"act_kwargs", "null"}};
constexpr FixedOption kFixedInVision[] = {
    {"global_average_pool", "false"}, {"attentional_pool", "false"},    {"input_patchnorm", "false"},
    {"no_ln_pre", "false"},           {"final_ln_after_pool", "false"}, {"pos_embed_type", "\"learnable\""}};
constexpr FixedOption kFixedInText[] = {{"embed_cls", "false"},           {"no_causal_mask", "false"},
                                        {"final_ln_after_pool", "false"}, {"pool_type", "\"argmax\""},
                                        {"proj_type", "\"linear\""},      {"proj_bias", "false"}};

template <class Options>
void require_fixed(const Json& tower, const Options& options, const std::string& where) {
  for (const auto& [key, value] : options)
    if (tower.contains(key) && !tower.at(key).is_null() && tower.at(key).dump() != value &&
        tower.at(key) != Json::object())
      invalid_input("{}: {}: {} is not computed, only {} is", where, key, tower.at(key).dump(), value);
}

int neurons_of(int width, double ratio, const std::string& where) {
  const double neurons = width * ratio;
  if (!(neurons >= 1 && neurons <= 1e6))
    invalid_input("{}: mlp_ratio: {} is no ratio of an MLP", where, ratio);
  return static_cast<int>(neurons);
}

/// open_clip's model configuration (src/open_clip/model.py, CLIPVisionCfg and CLIPTextCfg with their
/// defaults).
ModelConfig from_config(const Json& file, const std::string& where) {
  const Json& json = file.contains("model_cfg") ? file.at("model_cfg") : file;
  ModelConfig config;
  config.projection_dim = json_get<int>(json, "embed_dim", where);
  const Json &vision = json_at(json, "vision_cfg", where), &text = json_at(json, "text_cfg", where);
  for (const auto& [tower, name] : {std::pair{&vision, "vision_cfg"}, std::pair{&text, "text_cfg"}})
    if (!tower->is_object())
      invalid_input("{}: {}: must be an object, found {}", where, name, json_kind(*tower));
  const std::string act = value_or(json, "quick_gelu", false, where) ? "quick_gelu" : "gelu";
  for (const char* key : {"timm_model_name", "hf_model_name"})
    for (const Json* tower : {&vision, &text})
      if (tower->contains(key) && !tower->at(key).is_null())
        invalid_input("{}: {} {}: a tower of another library is not imported", where, key,
                      tower->at(key).dump());
  VisionConfig& v = config.vision;
  const std::string in_vision = where + ": vision_cfg", in_text = where + ": text_cfg";
  for (const auto& [tower, name] : {std::pair{&vision, &in_vision}, std::pair{&text, &in_text}})
    require_fixed(*tower, kFixedInBoth, *name);
  require_fixed(vision, kFixedInVision, in_vision);
  require_fixed(text, kFixedInText, in_text);
  if (vision.contains("layers") && !vision.at("layers").is_number_integer())
    invalid_input("{}: layers: {}: open_clip's own ResNets are not imported", in_vision,
                  vision.at("layers").dump());
  v.num_hidden_layers = value_or(vision, "layers", 12, in_vision);
  v.hidden_size = value_or(vision, "width", 768, in_vision);
  v.num_attention_heads = v.hidden_size / std::max(1, value_or(vision, "head_width", 64, in_vision));
  v.intermediate_size = {neurons_of(v.hidden_size, value_or(vision, "mlp_ratio", 4.0, in_vision), in_vision)};
  v.patch_size = value_or(vision, "patch_size", 16, in_vision);
  if (vision.contains("image_size") && vision.at("image_size").is_array()) {
    const Json& size = vision.at("image_size");
    if (size.size() != 2 || !size[0].is_number_integer() || !size[1].is_number_integer())
      invalid_input("{}: image_size: must be a number or two (height, width)", in_vision);
    v.image_height = integer_fits<int>(size[0]) ? size[0].get<int>() : 0;  // which validation refuses
    v.image_width = integer_fits<int>(size[1]) ? size[1].get<int>() : 0;
  } else {
    v.image_height = v.image_width = value_or(vision, "image_size", 224, in_vision);
  }
  const auto pool = value_or<std::string>(vision, "pool_type", "tok", in_vision);
  if (pool != "tok" && pool != "avg")
    invalid_input("{}: pool_type: \"{}\" is not computed (tok and avg are)", in_vision, pool);
  v.pooling = pool == "tok" ? "class" : "mean";
  TextConfig& t = config.text;
  t.max_position_embeddings = value_or(text, "context_length", 77, in_text);
  t.vocab_size = value_or(text, "vocab_size", 49408, in_text);
  t.hidden_size = value_or(text, "width", 512, in_text);
  t.num_attention_heads = value_or(text, "heads", 8, in_text);
  t.num_hidden_layers = value_or(text, "layers", 12, in_text);
  t.intermediate_size = {neurons_of(t.hidden_size, value_or(text, "mlp_ratio", 4.0, in_text), in_text)};
  v.hidden_act = t.hidden_act = act;
  return config;
}

/// preprocess_cfg of open_clip_config.json, where it says other than CLIP's own transform.
ImageTransform read_preprocessing(const Json& config, const std::string& where) {
  ImageTransform image;
  image.resize = "shortest_crop";
  image.filter = "bicubic";
  if (!config.is_object() || !config.contains("preprocess_cfg")) return image;
  const Json& json = config.at("preprocess_cfg");
  const std::string at = where + ": preprocess_cfg";
  if (!json.is_object()) invalid_input("{}: must be an object, found {}", at, json_kind(json));
  image.mean = value_or(json, "mean", image.mean, at);
  image.std = value_or(json, "std", image.std, at);
  image.filter = value_or<std::string>(json, "interpolation", "bicubic", at);
  if (image.filter != "bicubic" && image.filter != "bilinear")
    invalid_input("{}: interpolation: \"{}\" is not computed (bicubic and bilinear are)", at, image.filter);
  const auto mode = value_or<std::string>(json, "resize_mode", "shortest", at);
  if (mode != "shortest" && mode != "squash")
    invalid_input("{}: resize_mode: \"{}\" is not computed (shortest and squash are)", at, mode);
  if (mode == "squash") image.resize = "stretch";
  return image;
}

ImportedModel describe(const Weights& weights, const Json& config, const std::string& where) {
  const std::string text = weights.contains("text.token_embedding.weight") ? "text." : "";
  ImportedModel model;
  model.config = config.is_null() ? from_shapes(weights, text) : from_config(config, where);
  TextConfig& t = model.config.text;
  t.end_pooling = "largest_id";  // argmax of the ids
  t.eos_token_id = t.vocab_size - 1;
  t.bos_token_id = t.vocab_size - 2;
  t.pad_token_id = 0;
  model.image = read_preprocessing(config, where);
  return model;
}

}  // namespace

WeightSource open_clip_source() {
  return {"open_clip",
          "openai/CLIP and open_clip",
          Towers::kBoth,
          fits,
          rules,
          describe,
          {"open_clip_config.json", "model_config.json"}};
}

}  // namespace edgeclip
