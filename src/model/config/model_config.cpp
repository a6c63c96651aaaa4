#include "model/config/model_config.h"

#include <cmath>

namespace edgeclip {

namespace {

/// Far above every model there is: what is larger is a slip, and would ask for the machine's memory.
constexpr int kMostLayers = 1000, kMostWidth = 1 << 16, kMostVocabulary = 1 << 22, kMostPixels = 1 << 14;

void require_size(int value, int most, const char* key, const std::string& where) {
  if (value <= 0) invalid_input("{}{}: must be positive, is {}", where, key, value);
  if (value > most) invalid_input("{}{}: must be at most {}, is {}", where, key, most, value);
}

void require_dropout(double value, const char* key, const std::string& where) {
  if (!(value >= 0 && value < 1)) invalid_input("{}{}: must be in [0, 1), is {}", where, key, value);
}

void require_epsilon(double value, const std::string& where) {
  if (!(value > 0 && std::isfinite(value)))
    invalid_input("{}layer_norm_eps: must be positive, is {}", where, value);
}

template <class Tower>
void validate_transformer(const Tower& tower, const std::string& where) {
  require_size(tower.hidden_size, kMostWidth, "hidden_size", where);
  require_size(tower.num_hidden_layers, kMostLayers, "num_hidden_layers", where);
  require_size(tower.num_attention_heads, kMostWidth, "num_attention_heads", where);
  require_epsilon(tower.layer_norm_eps, where);
  if (tower.hidden_size % tower.num_attention_heads != 0)
    invalid_input("{}num_attention_heads: {} does not divide hidden_size {}", where,
                  tower.num_attention_heads, tower.hidden_size);
  const auto n = tower.intermediate_size.size();
  if (n != 1 && n != static_cast<std::size_t>(tower.num_hidden_layers))
    invalid_input("{}intermediate_size: has {} numbers; give one, or one per layer ({})", where, n,
                  tower.num_hidden_layers);
  for (const int size : tower.intermediate_size) require_size(size, kMostWidth, "intermediate_size", where);
}

template <class Tower>
double transformer_weights(const Tower& t) {
  double sum = 0;
  for (int i = 0; i < t.num_hidden_layers; ++i)
    sum += 4.0 * t.hidden_size + 2.0 * intermediate_of(t.intermediate_size, i);
  return sum * t.hidden_size;
}

double projection_weights(const ProjectionConfig& projection, double width, double out) {
  return width * out + (projection.is_linear() ? 0 : out * out);
}

double vision_weights(const VisionConfig& v) {
  if (v.is_vit()) {
    const double patches =
        static_cast<double>(v.image_height / v.patch_size) * (v.image_width / v.patch_size);
    return transformer_weights(v) + v.hidden_size * (3.0 * v.patch_size * v.patch_size + patches);
  }
  double sum = 3.0 * 49 * v.embedding_size, in = v.embedding_size;
  for (std::size_t stage = 0; stage < v.depths.size(); ++stage) {
    const double out = v.hidden_sizes[stage], inner = out / 4;
    sum += in * inner + 9 * inner * inner + inner * out;
    if (stage > 0 || in != out) sum += in * out;  // the shortcut
    sum += (v.depths[stage] - 1) * (2 * out * inner + 9 * inner * inner);
    in = out;
  }
  return sum;
}

}  // namespace

void VisionConfig::validate(const std::string& where) const {
  require_size(image_height, kMostPixels, "image_height", where);
  require_size(image_width, kMostPixels, "image_width", where);
  if (is_vit()) {
    validate_transformer(*this, where);
    require_size(patch_size, kMostPixels, "patch_size", where);
    if (image_height % patch_size || image_width % patch_size)
      invalid_input("{}patch_size: {} does not divide the image {}x{} (height x width)", where, patch_size,
                    image_height, image_width);
    return;
  }
  require_size(embedding_size, kMostWidth, "embedding_size", where);
  for (const int depth : depths) require_size(depth, kMostLayers, "depths", where);
  if (depths.empty() || depths.size() != hidden_sizes.size())
    invalid_input("{}hidden_sizes: has {} numbers, depths has {}; give one of each per stage", where,
                  hidden_sizes.size(), depths.size());
  for (const int size : hidden_sizes) {
    require_size(size, kMostWidth, "hidden_sizes", where);
    if (size % 4 != 0) invalid_input("{}hidden_sizes: {} is no multiple of 4", where, size);
  }
}

void TextConfig::validate(const std::string& where) const {
  validate_transformer(*this, where);
  require_size(vocab_size, kMostVocabulary, "vocab_size", where);
  if (max_position_embeddings < 2) invalid_input("{}max_position_embeddings: must be at least 2", where);
  require_size(max_position_embeddings, kMostWidth, "max_position_embeddings", where);
  if (is_distilbert() && (pad_token_id == bos_token_id || pad_token_id == eos_token_id))
    invalid_input(
        "{}pad_token_id: {} also begins or ends texts, and a distilbert would mask it; use a tokenizer with "
        "a padding token of its own",
        where, pad_token_id);
  require_dropout(dropout, "dropout", where);
  require_dropout(attention_dropout, "attention_dropout", where);
}

void ProjectionConfig::validate(const std::string& where) const {
  require_dropout(dropout, "dropout", where);
  require_epsilon(layer_norm_eps, where);
}

void ModelConfig::validate(const std::string& where) const {
  vision.validate(where + "vision.");
  text.validate(where + "text.");
  visual_projection.validate(where + "visual_projection.");
  text_projection.validate(where + "text_projection.");
  require_size(projection_dim, kMostWidth, "projection_dim", where);
}

double least_weight_bytes(const ModelConfig& config) {
  const TextConfig& t = config.text;
  const double text =
      transformer_weights(t) + t.hidden_size * (1.0 * t.vocab_size + t.max_position_embeddings);
  return 4 * (vision_weights(config.vision) + text +
              projection_weights(config.visual_projection, config.vision.width(), config.projection_dim) +
              projection_weights(config.text_projection, t.hidden_size, config.projection_dim));
}

}  // namespace edgeclip
