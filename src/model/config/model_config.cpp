#include "model/config/model_config.h"

#include "model/config/limits.h"
#include "model/config/tower_kinds.h"

namespace edgeclip {

namespace {

double projection_weights(const ProjectionConfig& projection, double width, double out) {
  return width * out + (projection.is_linear() ? 0 : out * out);
}

}  // namespace

int VisionConfig::width() const { return vision_kind(model_type).width(*this); }

void VisionConfig::validate(const std::string& where) const {
  require_size(image_height, kMostPixels, "image_height", where);
  require_size(image_width, kMostPixels, "image_width", where);
  vision_kind(model_type).validate(*this, where);
}

std::string TextConfig::activation() const { return text_kind(model_type).activation(*this); }
double TextConfig::norm_eps() const { return text_kind(model_type).norm_eps(*this); }

void TextConfig::validate(const std::string& where) const {
  validate_transformer(*this, where);
  require_size(vocab_size, kMostVocabulary, "vocab_size", where);
  if (max_position_embeddings < 2) invalid_input("{}max_position_embeddings: must be at least 2", where);
  require_size(max_position_embeddings, kMostWidth, "max_position_embeddings", where);
  if (text_kind(model_type).masks_padding && (pad_token_id == bos_token_id || pad_token_id == eos_token_id))
    invalid_input(
        "{}pad_token_id: {} also begins or ends texts, and a {} would mask it; use a tokenizer with a "
        "padding "
        "token of its own",
        where, pad_token_id, model_type);
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

InnerSizes inner_sizes_of(const VisionConfig& resnet, std::size_t stage, std::size_t block) {
  if (resnet.inner_sizes.empty()) return {resnet.hidden_sizes.at(stage) / 4, resnet.hidden_sizes.at(stage) / 4};
  return {resnet.inner_sizes.at(2 * block), resnet.inner_sizes.at(2 * block + 1)};
}

double least_weight_bytes(const ModelConfig& config) {
  const TextConfig& t = config.text;
  const double text =
      transformer_weights(t) + t.hidden_size * (1.0 * t.vocab_size + t.max_position_embeddings);
  return 4 * (vision_kind(config.vision.model_type).weights(config.vision) + text +
              projection_weights(config.visual_projection, config.vision.width(), config.projection_dim) +
              projection_weights(config.text_projection, t.hidden_size, config.projection_dim));
}

}  // namespace edgeclip
