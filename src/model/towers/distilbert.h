#pragma once

#include "model/config/text_config.h"
#include "model/towers/tower.h"

namespace edgeclip {

/// DistilBERT (Sanh et al. 2019, arXiv:1910.01108), with Hugging Face's DistilBertModel names.  Padding
/// (pad_token_id) is masked, and computed only where it stands before a caption's last token.  Pooled is the last
/// state of the first token, or the mean over all that are no padding.
class DistilBertTower : public TextTower {
 public:
  explicit DistilBertTower(const TextConfig& config);
  torch::Tensor forward(const torch::Tensor& tokens, ComputeType compute,
                        std::vector<torch::Tensor>* hidden) override;
  torch::Tensor valid_tokens(const torch::Tensor& tokens) const override;
  void profile(Profiler& profiler, const std::string& name, std::int64_t batch,
               std::int64_t tokens) const override;
  void initialize() override;
  Transformer blocks() const override { return transformer; }
  const char* blocks_name() const override { return "transformer"; }
  std::vector<PruneGroup> prune_groups(const std::string& name, double tokens) override;
  std::vector<PruneBlock> prune_blocks(const std::string& name) override;
  std::vector<QuantizableValue> quantizable(const std::string& name) override;
  void recompute_blocks(bool on) override { transformer->recompute = on; }

  const TextConfig config;
  torch::nn::Embedding word_embeddings{nullptr};      ///< embeddings.word_embeddings (vocab, W)
  int table_bits = 0;  ///< its QuantizableWeights::bits
  torch::nn::Embedding position_embeddings{nullptr};  ///< embeddings.position_embeddings (context, W)
  torch::nn::LayerNorm embedding_norm{nullptr};       ///< embeddings.LayerNorm
  Transformer transformer{nullptr};
};

}  // namespace edgeclip
