#include "model/transformer.h"

#include <cmath>

#include "base/error.h"
#include "model/activation.h"
#include "model/config/model_config.h"
#include "model/recompute.h"

namespace edgeclip {

const BlockStyle kClipBlock = {false,      "layers",      "self_attn", "q_proj", "k_proj", "v_proj",
                               "out_proj", "layer_norm1", "mlp",       "fc1",    "fc2",    "layer_norm2"};
const BlockStyle kDistilBertBlock = {true,    "layer", "attention", "q_lin",
                                     "k_lin", "v_lin", "out_lin",   "sa_layer_norm",
                                     "ffn",   "lin1",  "lin2",      "output_layer_norm"};

torch::nn::LayerNorm layer_norm(int width, double eps) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(eps));
}

AttentionImpl::AttentionImpl(const BlockOptions& options)
    : width(options.width), heads(options.heads), dropout_(options.attention_dropout) {
  EDGECLIP_CHECK(heads > 0 && width % heads == 0, "{} heads of width {}", heads, width);
  const BlockStyle& names = *options.style;
  q_proj = register_module(names.query, Linear(width, width));
  k_proj = register_module(names.key, Linear(width, width));
  v_proj = register_module(names.value, Linear(width, width));
  out_proj = register_module(names.out, Linear(width, width));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& mask, ComputeType compute) {
  const auto B = x.size(0), T = x.size(1), d = static_cast<std::int64_t>(width) / heads;
  // (B, T, W) -> (B * heads, T, d), contiguous: bmm then is one plain GEMM per head.
  const auto split = [&](const torch::Tensor& t) {
    return t.view({B, T, heads, d}).transpose(1, 2).reshape({B * heads, T, d});
  };
  const torch::Tensor q = split(q_proj(x, compute) * (1.0 / std::sqrt(static_cast<double>(d))));
  const torch::Tensor k = split(k_proj(x, compute)), v = split(v_proj(x, compute));
  const torch::Tensor kt = k.transpose(1, 2);
  torch::Tensor scores;  // (B * heads, T, T)
  if (!mask.defined())
    scores = torch::bmm(q, kt);
  else if (mask.dim() == 2)
    scores = torch::baddbmm(as_operand(mask, compute), q, kt);
  else
    scores = (torch::bmm(q, kt).view({B, heads, T, T}) + mask).view({B * heads, T, T});
  torch::Tensor weights = torch::softmax(scores, -1);
  if (dropout_ > 0) weights = torch::dropout(weights, dropout_, is_training());
  const torch::Tensor mixed = torch::bmm(as_operand(weights, compute), v);
  return out_proj(mixed.view({B, heads, T, d}).transpose(1, 2).reshape({B, T, width}), compute);
}

MlpImpl::MlpImpl(const BlockOptions& options) : activation(options.activation), dropout_(options.dropout) {
  fc1 = register_module(options.style->fc1, Linear(options.width, options.neurons));
  fc2 = register_module(options.style->fc2, Linear(options.neurons, options.width));
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x, ComputeType compute) {
  const torch::Tensor h = activate(activation, fc1(x, compute));
  if (keep_hidden) hidden = h;
  const torch::Tensor y = fc2(h, compute);
  return dropout_ > 0 ? torch::dropout(y, dropout_, is_training()) : y;
}

EncoderLayerImpl::EncoderLayerImpl(const BlockOptions& options) : style(*options.style) {
  self_attn = register_module(style.attention, Attention(options));
  layer_norm1 = register_module(style.attention_norm, layer_norm(options.width, options.norm_eps));
  mlp = register_module(style.mlp, Mlp(options));
  layer_norm2 = register_module(style.mlp_norm, layer_norm(options.width, options.norm_eps));
}

torch::Tensor EncoderLayerImpl::forward(const torch::Tensor& x, const torch::Tensor& mask,
                                        ComputeType compute) {
  if (style.post_norm) {
    const torch::Tensor y = layer_norm1(x + self_attn(x, mask, compute));
    return layer_norm2(y + mlp(y, compute));
  }
  const torch::Tensor y = x + self_attn(layer_norm1(x), mask, compute);
  return y + mlp(layer_norm2(y), compute);
}

template <class TowerConfig>
TransformerImpl::TransformerImpl(const TowerConfig& config, BlockOptions options) : style(*options.style) {
  layers = register_module(style.layers, torch::nn::ModuleList());
  options.width = config.hidden_size;
  options.heads = config.num_attention_heads;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    options.neurons = intermediate_of(config.intermediate_size, i);
    layers->push_back(EncoderLayer(options));
  }
}
template TransformerImpl::TransformerImpl(const VisionConfig&, BlockOptions);
template TransformerImpl::TransformerImpl(const TextConfig&, BlockOptions);

torch::Tensor TransformerImpl::forward(torch::Tensor x, const torch::Tensor& mask, ComputeType compute,
                                       std::vector<torch::Tensor>* hidden) {
  if (hidden) hidden->push_back(x);
  for (std::size_t i = 0; i < layers->size(); ++i) {
    EncoderLayer block = layer(i);
    if (recompute && is_training())
      x = recomputed([=](const torch::Tensor& in) mutable { return block(in, mask, compute); }, x,
                     block->parameters());
    else
      x = block(x, mask, compute);
    if (hidden) hidden->push_back(x);
  }
  return x;
}

EncoderLayer TransformerImpl::layer(std::size_t i) const {
  return EncoderLayer(layers->ptr<EncoderLayerImpl>(i));
}

}  // namespace edgeclip
