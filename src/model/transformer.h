#pragma once

#include <string>

#include "model/linear.h"

/// The transformer blocks that CLIP's two towers share, with Hugging Face's parameter names.
namespace edgeclip {

/// Multi-head self-attention.  x: (B, T, W); mask: additive, (T, T) or undefined.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(int width, int heads);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask);

  const int width, heads;
  Linear q_proj{nullptr}, k_proj{nullptr}, v_proj{nullptr}, out_proj{nullptr};
};
TORCH_MODULE(Attention);

/// fc1 -> activation -> fc2.  x: (..., W).
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int width, int neurons, std::string activation);
  torch::Tensor forward(const torch::Tensor& x);
  /// What fc2 sees, (..., neurons): importance scores are computed on it.
  torch::Tensor hidden(const torch::Tensor& x);

  const std::string activation;  ///< "gelu" (exact, erf) | "quick_gelu" (x * sigmoid(1.702 x))
  Linear fc1{nullptr}, fc2{nullptr};
};
TORCH_MODULE(Mlp);

/// Pre-norm block: x + attn(ln1 x), then x + mlp(ln2 x).
class EncoderLayerImpl : public torch::nn::Module {
 public:
  EncoderLayerImpl(int width, int heads, int neurons, const std::string& activation, double eps);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask);

  Attention self_attn{nullptr};
  torch::nn::LayerNorm layer_norm1{nullptr}, layer_norm2{nullptr};
  Mlp mlp{nullptr};
};
TORCH_MODULE(EncoderLayer);

/// `encoder.layers.N.*`.  Hidden states for tests: hidden[0] is the input, hidden[k] the output of layer k
/// - 1.
class TransformerImpl : public torch::nn::Module {
 public:
  template <class TowerConfig>
  explicit TransformerImpl(const TowerConfig& config);
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& mask,
                        std::vector<torch::Tensor>* hidden = nullptr);

  torch::nn::ModuleList layers{nullptr};
  EncoderLayer layer(std::size_t i) const;
};
TORCH_MODULE(Transformer);

}  // namespace edgeclip
