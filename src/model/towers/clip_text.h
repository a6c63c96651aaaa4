#pragma once

#include "model/config/text_config.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// CLIP's causal transformer, with Hugging Face's CLIPTextTransformer names.  Pooled is the final LayerNorm
/// of the text's end: its first eos_token_id, or its largest id (whose first occurrence counts).
class ClipTextTower : public TextTower {
 public:
  explicit ClipTextTower(const TextConfig& config);
  torch::Tensor forward(const torch::Tensor& tokens, ComputeType compute,
                        std::vector<torch::Tensor>* hidden) override;
  torch::Tensor valid_tokens(const torch::Tensor& tokens) const override;
  void profile(Profiler& profiler, const std::string& name, std::int64_t batch,
               std::int64_t tokens) const override;
  void initialize() override;
  Transformer blocks() const override { return encoder; }
  const char* blocks_name() const override { return "encoder"; }
  std::vector<PruneGroup> prune_groups(const std::string& name, double tokens) override;
  std::vector<PruneBlock> prune_blocks(const std::string& name) override;
  std::vector<QuantizableValue> quantizable(const std::string& name) override;
  void recompute_blocks(bool on) override { encoder->recompute = on; }

  const TextConfig config;
  torch::nn::Embedding token_embedding{nullptr};     ///< embeddings.token_embedding (vocab, W)
  int table_bits = 0;  ///< its QuantizableWeights::bits
  torch::nn::Embedding position_embedding{nullptr};  ///< embeddings.position_embedding (context, W)
  Transformer encoder{nullptr};
  torch::nn::LayerNorm final_layer_norm{nullptr};

 private:
  torch::Tensor end_positions(const torch::Tensor& ids) const;  ///< (B) int64
};

}  // namespace edgeclip
