#include "model/transformer.h"

#include <cmath>

#include "base/error.h"
#include "model/config/model_config.h"

namespace edgeclip {

namespace {

torch::nn::LayerNorm layer_norm(int width, double eps) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(eps));
}

}  // namespace

AttentionImpl::AttentionImpl(int width, int heads) : width(width), heads(heads) {
  EDGECLIP_CHECK(heads > 0 && width % heads == 0, "{} heads of width {}", heads, width);
  q_proj = register_module("q_proj", Linear(width, width));
  k_proj = register_module("k_proj", Linear(width, width));
  v_proj = register_module("v_proj", Linear(width, width));
  out_proj = register_module("out_proj", Linear(width, width));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& mask) {
  const auto B = x.size(0), T = x.size(1), d = static_cast<std::int64_t>(width) / heads;
  // (B, T, W) -> (B * heads, T, d), contiguous: bmm then is one plain GEMM per head.
  const auto split = [&](const torch::Tensor& t) {
    return t.view({B, T, heads, d}).transpose(1, 2).reshape({B * heads, T, d});
  };
  const torch::Tensor q = split(q_proj(x) * (1.0 / std::sqrt(static_cast<double>(d))));
  const torch::Tensor k = split(k_proj(x)), v = split(v_proj(x));
  const torch::Tensor kt = k.transpose(1, 2);
  const torch::Tensor scores =
      mask.defined() ? torch::baddbmm(mask, q, kt) : torch::bmm(q, kt);  // (B * heads, T, T)
  const torch::Tensor mixed = torch::bmm(torch::softmax(scores, -1), v);
  return out_proj(mixed.view({B, heads, T, d}).transpose(1, 2).reshape({B, T, width}));
}

MlpImpl::MlpImpl(int width, int neurons, std::string activation) : activation(std::move(activation)) {
  fc1 = register_module("fc1", Linear(width, neurons));
  fc2 = register_module("fc2", Linear(neurons, width));
}

torch::Tensor MlpImpl::hidden(const torch::Tensor& x) {
  const torch::Tensor h = fc1(x);
  return activation == "quick_gelu" ? h * torch::sigmoid(h * 1.702) : torch::gelu(h);
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) { return fc2(hidden(x)); }

EncoderLayerImpl::EncoderLayerImpl(int width, int heads, int neurons, const std::string& activation,
                                   double eps) {
  self_attn = register_module("self_attn", Attention(width, heads));
  layer_norm1 = register_module("layer_norm1", layer_norm(width, eps));
  mlp = register_module("mlp", Mlp(width, neurons, activation));
  layer_norm2 = register_module("layer_norm2", layer_norm(width, eps));
}

torch::Tensor EncoderLayerImpl::forward(const torch::Tensor& x, const torch::Tensor& mask) {
  const torch::Tensor y = x + self_attn(layer_norm1(x), mask);
  return y + mlp(layer_norm2(y));
}

template <class TowerConfig>
TransformerImpl::TransformerImpl(const TowerConfig& config) {
  layers = register_module("layers", torch::nn::ModuleList());
  for (int i = 0; i < config.num_hidden_layers; ++i)
    layers->push_back(EncoderLayer(config.hidden_size, config.num_attention_heads,
                                   intermediate_of(config.intermediate_size, i), config.hidden_act,
                                   config.layer_norm_eps));
}
template TransformerImpl::TransformerImpl(const VisionConfig&);
template TransformerImpl::TransformerImpl(const TextConfig&);

torch::Tensor TransformerImpl::forward(torch::Tensor x, const torch::Tensor& mask,
                                       std::vector<torch::Tensor>* hidden) {
  if (hidden) hidden->push_back(x);
  for (std::size_t i = 0; i < layers->size(); ++i) {
    x = layer(i)(x, mask);
    if (hidden) hidden->push_back(x);
  }
  return x;
}

EncoderLayer TransformerImpl::layer(std::size_t i) const {
  return EncoderLayer(layers->ptr<EncoderLayerImpl>(i));
}

}  // namespace edgeclip
