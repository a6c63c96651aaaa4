#include "model/towers/distilbert.h"

#include "model/ops/fake_quantize.h"
#include "model/profiler.h"
#include "model/towers/transformer_groups.h"

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
  const torch::Tensor valid = valid_tokens(ids);
  const torch::Tensor last = (valid.to(torch::kInt64) * torch::arange(T, ids.options())).amax(1);  // 0 if none is
  Sequences sequences = caption_rows(last, T, hidden != nullptr);
  const torch::Tensor places = sequences.places(T, ids.device());
  const torch::Tensor words = ids.flatten().index_select(0, places);  // (N)
  // Of a table in int8 each row has a scale of its own, so that the rows that are read can be rounded by themselves.
  const torch::Tensor rows = word_embeddings(words), embedded = table_bits > 0 ? ops::fake_quantize_channels(rows, table_bits) : rows;
  const torch::Tensor is_word = valid.flatten().index_select(0, places).to(torch::kFloat);
  if (!is_word.all().item<bool>()) sequences.key_bias = (1 - is_word) * Sequences::kHidden;
  torch::Tensor x = embedding_norm(embedded +
                                   position_embeddings(sequences.positions(ids.device())).to(torch::kFloat));
  if (config.dropout > 0) x = torch::dropout(x, config.dropout, is_training());
  torch::Tensor pooled;
  if (config.mask_pooling == "mean") {
    const torch::Tensor y = transformer->forward(x, sequences, compute, hidden);
    const torch::Tensor weights = is_word.to(y.scalar_type()).unsqueeze(-1), owners = sequences.owners(y.device());
    const auto sums = [&](const torch::Tensor& rows) {  // (N, C) -> (B, C)
      return torch::zeros({B, rows.size(1)}, y.options().requires_grad(false)).index_add(0, owners, rows);
    };
    pooled = sums(y * weights) / sums(weights).clamp_min(1);
  } else {
    pooled = transformer->rows_at(sequences.first_rows(x.device()), x, sequences, compute, hidden);
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

std::vector<PruneGroup> DistilBertTower::prune_groups(const std::string& name, double tokens) {
  return transformer_groups(*this, name, &ModelConfig::text, tokens);
}

std::vector<PruneBlock> DistilBertTower::prune_blocks(const std::string& name) {
  return transformer_blocks(*this, name, &ModelConfig::text);
}

std::vector<QuantizableValue> DistilBertTower::quantizable(const std::string& name) {
  const QuantizableWeights table{name + ".embeddings.word_embeddings.weight", &table_bits, word_embeddings->weight.numel()};
  std::vector<QuantizableValue> values = {{nullptr, {table}}};
  for (QuantizableValue& value : transformer->quantizable(name + "." + blocks_name())) values.push_back(std::move(value));
  return values;
}

}  // namespace edgeclip
