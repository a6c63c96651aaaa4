#pragma once

#include <string>

#include "model/linear.h"
#include "model/sequences.h"
#include "model/tap.h"

/// Transformer blocks, with the parameter names of the library that a tower comes from.
namespace edgeclip {

/// How a library writes a block: its names, and where the LayerNorms stand.
struct BlockStyle {
  bool post_norm;      ///< x = norm(x + f(x)) instead of x = x + f(norm(x))
  const char* layers;  ///< the list of blocks
  const char *attention, *query, *key, *value, *out, *attention_norm;
  const char *mlp, *fc1, *fc2, *mlp_norm;
};
extern const BlockStyle kClipBlock;        ///< Hugging Face's CLIPEncoderLayer
extern const BlockStyle kDistilBertBlock;  ///< Hugging Face's DistilBERT TransformerBlock

struct BlockOptions {
  const BlockStyle* style = &kClipBlock;
  int width = 0;       ///< of the stream between blocks
  int head_width = 0;  ///< of one head
  int heads = 0, neurons = 0;
  std::string activation;
  double norm_eps = 1e-5;
  double dropout = 0, attention_dropout = 0;  ///< after fc2; of attention weights; in training
  int merged = 0;                             ///< tokens that become one with another (ops/token_merge.h)
  bool proportional_attention = true;         ///< behind it a key counts as often as there are tokens in it
};

/// Multi-head self-attention.  x: (N, W), the rows of the sequences -> (N, W).  With `at`, (B) int64, one row of
/// each sequence that sees all of it: (B, W), theirs alone; keys and values are of all rows.  keys, if asked for: what
/// the rows are found by, (N, heads' widths).
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const BlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const Sequences& sequences, ComputeType compute,
                        const torch::Tensor& at = {}, torch::Tensor* keys = nullptr);

  const int heads, head_width;
  int inner() const { return heads * head_width; }  ///< values of a row that is mixed
  std::shared_ptr<ValueRange> input_range;          ///< of x, which queries, keys and values read: rounded once for them
  Tap mixed;                                        ///< what out_proj saw, (N, inner), heads side by side
  Linear q_proj{nullptr}, k_proj{nullptr}, v_proj{nullptr}, out_proj{nullptr};

 private:
  const double dropout_;
};
TORCH_MODULE(Attention);

/// fc1 -> activation -> fc2.  x: (N, W).
class MlpImpl : public torch::nn::Module {
 public:
  explicit MlpImpl(const BlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, ComputeType compute);

  const std::string activation;
  Linear fc1{nullptr}, fc2{nullptr};
  Tap hidden;  ///< what fc2 saw, (N, neurons)

 private:
  const double dropout_;
};
TORCH_MODULE(Mlp);

/// x: (N, W) -> (N, W), or (B, W) of the rows `at`, as in Attention.  Of a layer that merges tokens fewer rows, between
/// attention and MLP; `left` becomes their sequences then.
class EncoderLayerImpl : public torch::nn::Module {
 public:
  explicit EncoderLayerImpl(const BlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const Sequences& sequences, ComputeType compute,
                        const torch::Tensor& at = {}, Sequences* left = nullptr);

  const BlockStyle& style;
  const int merged;
  const bool proportional_attention;
  Attention self_attn{nullptr};
  torch::nn::LayerNorm layer_norm1{nullptr}, layer_norm2{nullptr};  ///< attention's, MLP's
  Mlp mlp{nullptr};
};
TORCH_MODULE(EncoderLayer);

/// `encoder.layers.N.*`, `transformer.layer.N.*`.  Hidden states: hidden[0] is the input, hidden[k] the
/// output of layer k - 1.
class TransformerImpl : public torch::nn::Module {
 public:
  template <class TowerConfig>
  TransformerImpl(const TowerConfig& config, BlockOptions options);
  /// x: (N, W), the rows of the sequences -> (N, W); fewer where layers merge tokens: then `sequences` become those of
  /// what is left.
  torch::Tensor forward(torch::Tensor x, Sequences& sequences, ComputeType compute,
                        std::vector<torch::Tensor>* hidden);
  /// (B, W): of one row of each sequence (`at`, as in Attention) what forward() gives.  Of the last block no
  /// other row is computed, unless hidden states are asked for.  Where layers merge tokens it is the first row.
  torch::Tensor rows_at(const torch::Tensor& at, torch::Tensor x, const Sequences& sequences,
                        ComputeType compute, std::vector<torch::Tensor>* hidden);

  const BlockStyle& style;
  torch::nn::ModuleList layers{nullptr};
  bool recompute =
      false;  ///< gradient checkpointing: a block's inside is computed again in the backward pass
  EncoderLayer layer(std::size_t i) const;
  /// name: its own in the model.
  std::vector<QuantizableValue> quantizable(const std::string& name) const;

 private:
  torch::Tensor block(std::size_t i, const torch::Tensor& x, Sequences& sequences, ComputeType compute,
                      const torch::Tensor& at) const;
  bool merges_tokens() const;
};
TORCH_MODULE(Transformer);

torch::nn::LayerNorm layer_norm(int width, double eps);

}  // namespace edgeclip
