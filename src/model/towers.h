#pragma once

#include "model/config/model_config.h"
#include "model/transformer.h"

namespace edgeclip {

/// `vision_model.*`: ViT with class token (Dosovitskiy et al. 2020; CLIP's pre- and post-LayerNorm).
/// pixels (B, 3, H, W) -> pooled (B, W): post_layernorm of the class token.
class VisionTowerImpl : public torch::nn::Module {
 public:
  explicit VisionTowerImpl(const VisionConfig& config);
  torch::Tensor forward(const torch::Tensor& pixels, std::vector<torch::Tensor>* hidden = nullptr);

  const VisionConfig config;
  torch::Tensor class_embedding;                     ///< embeddings.class_embedding (W)
  torch::nn::Conv2d patch_embedding{nullptr};        ///< embeddings.patch_embedding, no bias
  torch::nn::Embedding position_embedding{nullptr};  ///< embeddings.position_embedding (1 + patches, W)
  torch::nn::LayerNorm pre_layrnorm{nullptr};        ///< Hugging Face's spelling
  Transformer encoder{nullptr};
  torch::nn::LayerNorm post_layernorm{nullptr};
};
TORCH_MODULE(VisionTower);

/// `text_model.*`: CLIP's causal transformer.  tokens (B, T) int64, T <= max_position_embeddings -> pooled
/// (B, W): the final LayerNorm at the first end-of-text token of each row.
class TextTowerImpl : public torch::nn::Module {
 public:
  explicit TextTowerImpl(const TextConfig& config);
  torch::Tensor forward(const torch::Tensor& tokens, std::vector<torch::Tensor>* hidden = nullptr);

  const TextConfig config;
  torch::nn::Embedding token_embedding{nullptr};     ///< embeddings.token_embedding (vocab, W)
  torch::nn::Embedding position_embedding{nullptr};  ///< embeddings.position_embedding (context, W)
  Transformer encoder{nullptr};
  torch::nn::LayerNorm final_layer_norm{nullptr};
};
TORCH_MODULE(TextTower);

}  // namespace edgeclip
