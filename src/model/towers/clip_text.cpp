#include "model/towers/clip_text.h"

#include "model/ops/fake_quantize.h"
#include "model/profiler.h"
#include "model/towers/clip_blocks.h"
#include "model/towers/transformer_groups.h"

namespace edgeclip {

ClipTextTower::ClipTextTower(const TextConfig& config) : config(config) {
  const auto embeddings = group(*this, "embeddings");
  token_embedding = embeddings->register_module("token_embedding",
                                                torch::nn::Embedding(config.vocab_size, config.hidden_size));
  position_embedding = embeddings->register_module(
      "position_embedding", torch::nn::Embedding(config.max_position_embeddings, config.hidden_size));
  encoder = register_module("encoder", clip_blocks(config));
  final_layer_norm =
      register_module("final_layer_norm", layer_norm(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor ClipTextTower::forward(const torch::Tensor& tokens, ComputeType compute,
                                     std::vector<torch::Tensor>* hidden) {
  const torch::Tensor ids = require_tokens(tokens, config.max_position_embeddings, config.vocab_size);
  const auto B = ids.size(0), T = ids.size(1);
  const torch::Tensor ends = end_positions(ids);
  // What follows a caption's end is seen by no row before it.
  Sequences sequences = caption_rows(ends, T, hidden != nullptr);
  sequences.causal = true;
  const torch::Tensor positions = sequences.positions(ids.device());
  if (!hidden && !ids.device().is_cpu()) {  // padded: the last block's rows see all that is not hidden
    const torch::Tensor behind = positions > ends.index_select(0, sequences.owners(ids.device()));
    sequences.key_bias = behind.to(torch::kFloat) * Sequences::kHidden;
  }
  const torch::Tensor words = ids.flatten().index_select(0, sequences.places(T, ids.device()));  // (N)
  // Of a table in int8 each row has a scale of its own, so that the rows that are read can be rounded by themselves.
  const torch::Tensor rows = token_embedding(words), embedded = table_bits > 0 ? ops::fake_quantize_channels(rows, table_bits) : rows;
  const torch::Tensor x = embedded + position_embedding(positions).to(torch::kFloat);
  const torch::Tensor end_rows = sequences.first_rows(ids.device()) + ends;
  const torch::Tensor pooled = encoder->rows_at(end_rows, x, sequences, compute, hidden);
  separate(hidden, B);
  return final_layer_norm(pooled);
}

torch::Tensor ClipTextTower::end_positions(const torch::Tensor& ids) const {
  // argmax takes the first of equal values, so a padding that repeats the end token does no harm.
  return (config.end_pooling == "largest_id" ? ids : (ids == config.eos_token_id).to(torch::kInt)).argmax(1);
}

torch::Tensor ClipTextTower::valid_tokens(const torch::Tensor& tokens) const {
  const torch::Tensor ids = tokens.to(torch::kInt64);
  return torch::arange(ids.size(1), ids.options()) <= end_positions(ids).unsqueeze(1);
}

void ClipTextTower::initialize() {
  const torch::NoGradGuard no_grad;
  torch::nn::init::normal_(token_embedding->weight, 0.0, 0.02);
  torch::nn::init::normal_(position_embedding->weight, 0.0, 0.02);
  initialize_clip_blocks(encoder);
  initialize_plain(*this);
}

void ClipTextTower::profile(Profiler& profiler, const std::string& name, std::int64_t batch,
                            std::int64_t tokens) const {
  profiler.add(name + ".embeddings", "embeddings", 0, {named_children()["embeddings"].get()});
  profile_blocks(profiler, name + "." + blocks_name(), encoder, batch, tokens);
  profiler.add(name + ".final_layer_norm", "layer_norm", 0, {final_layer_norm.get()});
}

std::vector<PruneGroup> ClipTextTower::prune_groups(const std::string& name, double tokens) {
  return transformer_groups(*this, name, &ModelConfig::text, tokens);
}

std::vector<PruneBlock> ClipTextTower::prune_blocks(const std::string& name) {
  return transformer_blocks(*this, name, &ModelConfig::text);
}

std::vector<QuantizableValue> ClipTextTower::quantizable(const std::string& name) {
  const QuantizableWeights table{name + ".embeddings.token_embedding.weight", &table_bits, token_embedding->weight.numel()};
  std::vector<QuantizableValue> values = {{nullptr, {table}}};
  for (QuantizableValue& value : encoder->quantizable(name + "." + blocks_name())) values.push_back(std::move(value));
  return values;
}

}  // namespace edgeclip
