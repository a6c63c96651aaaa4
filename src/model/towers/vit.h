#pragma once

#include "model/config/vision_config.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// ViT (Dosovitskiy et al. 2020) as in CLIP, with Hugging Face's CLIPVisionTransformer names: a class token,
/// LayerNorm before and after the blocks.  Pooled is post_layernorm of the class token, or the mean over
/// post_layernorm of the patches.
class VisionTransformer : public ImageTower {
 public:
  explicit VisionTransformer(const VisionConfig& config);
  torch::Tensor forward(const torch::Tensor& pixels, ComputeType compute,
                        std::vector<torch::Tensor>* hidden) override;
  void profile(Profiler& profiler, const std::string& name, std::int64_t batch) const override;
  void initialize() override;
  Transformer blocks() const override { return encoder; }
  const char* blocks_name() const override { return "encoder"; }
  std::vector<PruneGroup> prune_groups(const std::string& name, double tokens) override;
  std::vector<PruneBlock> prune_blocks(const std::string& name) override;
  std::vector<QuantizableValue> quantizable(const std::string& name) override;
  void recompute_blocks(bool on) override { encoder->recompute = on; }

  const VisionConfig config;
  torch::Tensor class_embedding;                     ///< embeddings.class_embedding (W)
  torch::nn::Conv2d patch_embedding{nullptr};        ///< embeddings.patch_embedding, no bias
  int patch_bits = 0;                                ///< its QuantizableWeights::bits
  torch::nn::Embedding position_embedding{nullptr};  ///< embeddings.position_embedding (1 + patches, W)
  torch::nn::LayerNorm pre_layrnorm{nullptr};        ///< Hugging Face's spelling
  Transformer encoder{nullptr};
  torch::nn::LayerNorm post_layernorm{nullptr};
};

}  // namespace edgeclip
