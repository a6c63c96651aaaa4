#include "model/towers/distilbert.h"

#include "model/profiler.h"

namespace edgeclip {

DistilBertTower::DistilBertTower(const TextConfig& config) : config(config) {
  const auto embeddings = group(*this, "embeddings");
  word_embeddings = embeddings->register_module("word_embeddings",
                                                torch::nn::Embedding(config.vocab_size, config.hidden_size));
  position_embeddings = embeddings->register_module(
      "position_embeddings", torch::nn::Embedding(config.max_position_embeddings, config.hidden_size));
  embedding_norm =
      embeddings->register_module("LayerNorm", layer_norm(config.hidden_size, config.norm_eps()));
  BlockOptions options;
  options.style = &kDistilBertBlock;
  options.activation = config.activation();
  options.norm_eps = config.norm_eps();
  options.dropout = config.dropout;
  options.attention_dropout = config.attention_dropout;
  transformer = register_module("transformer", Transformer(config, options));
}

torch::Tensor DistilBertTower::forward(const torch::Tensor& tokens, ComputeType compute,
                                       std::vector<torch::Tensor>* hidden) {
  const torch::Tensor ids = require_tokens(tokens, config.max_position_embeddings, config.vocab_size);
  const auto B = ids.size(0), T = ids.size(1);
  const torch::Tensor positions = position_embeddings->weight.slice(0, 0, T).to(torch::kFloat);
  torch::Tensor x = embedding_norm(word_embeddings(ids) + positions);
  if (config.dropout > 0) x = torch::dropout(x, config.dropout, is_training());
  const torch::Tensor valid = valid_tokens(ids);
  Sequences sequences = Sequences::equal(B, T);
  sequences.key_bias = valid.logical_not().flatten().to(torch::kFloat) * Sequences::kHidden;
  const torch::Tensor rows = x.flatten(0, 1);
  torch::Tensor pooled;
  if (config.mask_pooling == "mean") {
    const torch::Tensor y = transformer->forward(rows, sequences, compute, hidden).view_as(x);
    const torch::Tensor weights = valid.to(y.scalar_type()).unsqueeze(-1);  // (B, T, 1)
    pooled = (y * weights).sum(1) / weights.sum(1).clamp_min(1);
  } else {
    pooled = transformer->rows_at(sequences.first_rows(x.device()), rows, sequences, compute, hidden);
  }
  separate(hidden, B);
  return pooled;
}

torch::Tensor DistilBertTower::valid_tokens(const torch::Tensor& tokens) const {
  return tokens.ne(config.pad_token_id);
}

void DistilBertTower::initialize() {
  const torch::NoGradGuard no_grad;
  for (auto& item : named_parameters())
    if (item.value().dim() == 2) torch::nn::init::normal_(item.value(), 0.0, 0.02);
  initialize_plain(*this);
}

void DistilBertTower::profile(Profiler& profiler, const std::string& name, std::int64_t batch,
                              std::int64_t tokens) const {
  profiler.add(name + ".embeddings", "embeddings", 0, {named_children()["embeddings"].get()});
  profile_blocks(profiler, name + "." + blocks_name(), transformer, batch, tokens);
}

}  // namespace edgeclip
