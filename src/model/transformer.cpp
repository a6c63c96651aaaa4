#include "model/transformer.h"

#include "base/error.h"
#include "model/activation.h"
#include "model/config/model_config.h"
#include "model/config/token_merging.h"
#include "model/ops/attention.h"
#include "model/ops/layer_norm.h"
#include "model/ops/token_merge.h"
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
                                     const torch::Tensor& at, torch::Tensor* keys) {
  const torch::Tensor rounded = input_range ? input_range->read(x) : x;
  const auto read_by = [&](const Linear& layer) -> const torch::Tensor& { return layer->weight_bits > 0 ? rounded : x; };
  const torch::Tensor& in = read_by(q_proj);
  const torch::Tensor asking = at.defined() ? in.index_select(0, at) : in, k = k_proj(read_by(k_proj), compute);
  if (keys) *keys = k;
  const torch::Tensor y = ops::attention(q_proj(asking, compute), k, v_proj(read_by(v_proj), compute), heads, sequences,
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

EncoderLayerImpl::EncoderLayerImpl(const BlockOptions& options)
    : style(*options.style), merged(options.merged), proportional_attention(options.proportional_attention) {
  EDGECLIP_CHECK(merged == 0 || !style.post_norm, "{} tokens merged behind a norm", merged);
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
                                        ComputeType compute, const torch::Tensor& at, Sequences* left) {
  const torch::Tensor kept = at.defined() ? x.index_select(0, at) : x;
  if (style.post_norm) {  // what the norms give is the stream itself
    const torch::Tensor y =
        add_norm(kept, self_attn(x, sequences, compute, at), layer_norm1, ComputeType::f32).second;
    return add_norm(y, mlp(y, compute), layer_norm2, ComputeType::f32).second;
  }
  const torch::Tensor normed =
      ops::layer_norm(x, layer_norm1->weight, layer_norm1->bias, layer_norm1->options.eps(), compute);
  if (merged > 0) {
    EDGECLIP_CHECK(!at.defined() && left, "one row of a layer that merges tokens");
    torch::Tensor keys;
    const torch::Tensor y = ops::add_branch(x, self_attn(normed, sequences, compute, at, &keys));
    const auto [rows, of_rows] = ops::merge_tokens(y, keys, self_attn->heads, sequences, merged);
    *left = of_rows;
    if (proportional_attention) left->key_bias = left->sizes.log();
    const torch::Tensor in = ops::layer_norm(rows, layer_norm2->weight, layer_norm2->bias, layer_norm2->options.eps(), compute);
    return ops::add_branch(rows, mlp(in, compute));
  }
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
    options.merged = merged_in(config, i);
    layers->push_back(EncoderLayer(options));
  }
}
template TransformerImpl::TransformerImpl(const VisionConfig&, BlockOptions);
template TransformerImpl::TransformerImpl(const TextConfig&, BlockOptions);

torch::Tensor TransformerImpl::block(std::size_t i, const torch::Tensor& x, Sequences& sequences,
                                     ComputeType compute, const torch::Tensor& at) const {
  EncoderLayer block = layer(i);
  // What is left outlives this call where the block is computed again.
  const auto left = std::make_shared<Sequences>(sequences);
  auto forward = [=](const torch::Tensor& in) mutable { return block(in, sequences, compute, at, left.get()); };
  const torch::Tensor y = recompute && is_training() ? recomputed(forward, x, block->parameters()) : forward(x);
  sequences = *left;
  return y;
}

torch::Tensor TransformerImpl::forward(torch::Tensor x, Sequences& sequences, ComputeType compute,
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
  Sequences now = sequences;
  const auto there = [&] { return merges_tokens() ? now.first_rows(x.device()) : at; };
  if (hidden || layer(last)->mlp->hidden.on || layer(last)->self_attn->mixed.on) {  // who looks there wants all rows
    x = forward(x, now, compute, hidden);
    return x.index_select(0, there());
  }
  for (std::size_t i = 0; i < last; ++i) x = block(i, x, now, compute, {});
  return block(last, x, now, compute, there());
}

bool TransformerImpl::merges_tokens() const {
  for (std::size_t i = 0; i < layers->size(); ++i)
    if (layer(i)->merged > 0) return true;
  return false;
}

std::vector<QuantizableValue> TransformerImpl::quantizable(const std::string& name) const {
  std::vector<QuantizableValue> values;
  for (std::size_t i = 0; i < layers->size(); ++i) {
    EncoderLayer block = layer(i);
    const std::string at = fmt::format("{}.{}.{}.", name, style.layers, i);
    const std::string attention = at + style.attention + ".", mlp = at + style.mlp + ".";
    AttentionImpl& mixing = *block->self_attn;
    const auto reader = [&](const char* local, Linear linear) {
      return QuantizableWeights{attention + local + ".weight", &linear->weight_bits};
    };
    values.push_back({&mixing.input_range,
                      {reader(style.query, mixing.q_proj), reader(style.key, mixing.k_proj), reader(style.value, mixing.v_proj)}});
    values.push_back(quantizable_linear(mixing.out_proj, attention + style.out));
    values.push_back(quantizable_linear(block->mlp->fc1, mlp + style.fc1));
    values.push_back(quantizable_linear(block->mlp->fc2, mlp + style.fc2));
  }
  return values;
}

EncoderLayer TransformerImpl::layer(std::size_t i) const {
  return EncoderLayer(layers->ptr<EncoderLayerImpl>(i));
}

}  // namespace edgeclip
