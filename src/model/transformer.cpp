#include "model/transformer.h"

#include "base/error.h"
#include "model/activation.h"
#include "model/config/model_config.h"
#include "model/ops/attention.h"
#include "model/ops/layer_norm.h"
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
    : heads(options.heads), head_width(options.head_width), dropout_(options.attention_dropout) {
  EDGECLIP_CHECK(heads > 0 && head_width > 0, "{} heads of width {}", heads, head_width);
  const BlockStyle& names = *options.style;
  q_proj = register_module(names.query, Linear(options.width, inner()));
  k_proj = register_module(names.key, Linear(options.width, inner()));
  v_proj = register_module(names.value, Linear(options.width, inner()));
  out_proj = register_module(names.out, Linear(inner(), options.width));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const Sequences& sequences, ComputeType compute,
                                     const torch::Tensor& at) {
  const torch::Tensor asking = at.defined() ? x.index_select(0, at) : x;
  const torch::Tensor y = ops::attention(q_proj(asking, compute), k_proj(x, compute), v_proj(x, compute), heads, sequences,
                                         is_training() ? dropout_ : 0);
  mixed.pass(y);
  return out_proj(y, compute);
}

MlpImpl::MlpImpl(const BlockOptions& options) : activation(options.activation), dropout_(options.dropout) {
  fc1 = register_module(options.style->fc1, Linear(options.width, options.neurons));
  fc2 = register_module(options.style->fc2, Linear(options.neurons, options.width));
}

torch::Tensor MlpImpl::forward(const torch::Tensor& x, ComputeType compute) {
  const torch::Tensor h = activate(activation, fc1(x, compute));
  hidden.pass(h);
  const torch::Tensor y = fc2(h, compute);
  return dropout_ > 0 ? torch::dropout(y, dropout_, is_training()) : y;
}

EncoderLayerImpl::EncoderLayerImpl(const BlockOptions& options) : style(*options.style) {
  self_attn = register_module(style.attention, Attention(options));
  layer_norm1 = register_module(style.attention_norm, layer_norm(options.width, options.norm_eps));
  mlp = register_module(style.mlp, Mlp(options));
  layer_norm2 = register_module(style.mlp_norm, layer_norm(options.width, options.norm_eps));
}

namespace {

std::pair<torch::Tensor, torch::Tensor> add_norm(const torch::Tensor& x, const torch::Tensor& branch,
                                                 const torch::nn::LayerNorm& norm, ComputeType compute) {
  return ops::add_layer_norm(x, branch, norm->weight, norm->bias, norm->options.eps(), compute);
}

}  // namespace

torch::Tensor EncoderLayerImpl::forward(const torch::Tensor& x, const Sequences& sequences,
                                        ComputeType compute, const torch::Tensor& at) {
  const torch::Tensor kept = at.defined() ? x.index_select(0, at) : x;
  if (style.post_norm) {  // what the norms give is the stream itself
    const torch::Tensor y =
        add_norm(kept, self_attn(x, sequences, compute, at), layer_norm1, ComputeType::f32).second;
    return add_norm(y, mlp(y, compute), layer_norm2, ComputeType::f32).second;
  }
  const torch::Tensor normed =
      ops::layer_norm(x, layer_norm1->weight, layer_norm1->bias, layer_norm1->options.eps(), compute);
  const auto [y, y_normed] = add_norm(kept, self_attn(normed, sequences, compute, at), layer_norm2, compute);
  return ops::add_branch(y, mlp(y_normed, compute));
}

template <class TowerConfig>
TransformerImpl::TransformerImpl(const TowerConfig& config, BlockOptions options) : style(*options.style) {
  layers = register_module(style.layers, torch::nn::ModuleList());
  options.width = config.hidden_size;
  options.head_width = config.hidden_size / config.num_attention_heads;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    options.heads = heads_of(config, i);
    options.neurons = intermediate_of(config.intermediate_size, i);
    layers->push_back(EncoderLayer(options));
  }
}
template TransformerImpl::TransformerImpl(const VisionConfig&, BlockOptions);
template TransformerImpl::TransformerImpl(const TextConfig&, BlockOptions);

torch::Tensor TransformerImpl::block(std::size_t i, const torch::Tensor& x, const Sequences& sequences,
                                     ComputeType compute, const torch::Tensor& at) const {
  EncoderLayer block = layer(i);
  if (!recompute || !is_training()) return block(x, sequences, compute, at);
  return recomputed([=](const torch::Tensor& in) mutable { return block(in, sequences, compute, at); }, x,
                    block->parameters());
}

torch::Tensor TransformerImpl::forward(torch::Tensor x, const Sequences& sequences, ComputeType compute,
                                       std::vector<torch::Tensor>* hidden) {
  if (hidden) hidden->push_back(x);
  for (std::size_t i = 0; i < layers->size(); ++i) {
    x = block(i, x, sequences, compute, {});
    if (hidden) hidden->push_back(x);
  }
  return x;
}

torch::Tensor TransformerImpl::rows_at(const torch::Tensor& at, torch::Tensor x, const Sequences& sequences,
                                       ComputeType compute, std::vector<torch::Tensor>* hidden) {
  const std::size_t last = layers->size() - 1;
  if (hidden || layer(last)->mlp->hidden.on || layer(last)->self_attn->mixed.on)  // who looks there wants all rows
    return forward(x, sequences, compute, hidden).index_select(0, at);
  for (std::size_t i = 0; i < last; ++i) x = block(i, x, sequences, compute, {});
  return block(last, x, sequences, compute, at);
}

EncoderLayer TransformerImpl::layer(std::size_t i) const {
  return EncoderLayer(layers->ptr<EncoderLayerImpl>(i));
}

}  // namespace edgeclip
