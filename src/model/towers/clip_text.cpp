#include "model/towers/clip_text.h"

#include "model/profiler.h"
#include "model/towers/clip_blocks.h"

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
  const torch::Tensor positions = position_embedding->weight.slice(0, 0, T).to(torch::kFloat);
  const torch::Tensor x = token_embedding(ids) + positions;
  Sequences sequences = Sequences::equal(B, T);
  sequences.causal = true;
  const torch::Tensor y = encoder->forward(x.flatten(0, 1), sequences, compute, hidden).view_as(x);
  separate(hidden, B);
  const torch::Tensor at = end_positions(ids).view({B, 1, 1}).expand({B, 1, config.hidden_size});
  return final_layer_norm(y.gather(1, at).squeeze(1));
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

}  // namespace edgeclip
