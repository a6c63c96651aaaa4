#include "model/towers.h"

#include <limits>

#include "base/tensor.h"

namespace edgeclip {

namespace {

torch::nn::LayerNorm layer_norm(int width, double eps) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(eps));
}

/// Hugging Face keeps these under `embeddings.`, and a LibTorch parameter name may hold no dot.
std::shared_ptr<torch::nn::Module> group(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

std::string sizes_string(const torch::Tensor& t) {
  return shape_string(Shape(t.sizes().begin(), t.sizes().end()));
}

}  // namespace

VisionTowerImpl::VisionTowerImpl(const VisionConfig& config) : config(config) {
  const std::int64_t patches =
      std::int64_t{config.image_height / config.patch_size} * (config.image_width / config.patch_size);
  const auto embeddings = group(*this, "embeddings");
  class_embedding = embeddings->register_parameter("class_embedding", torch::randn({config.hidden_size}));
  patch_embedding = embeddings->register_module(
      "patch_embedding", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, config.hidden_size, config.patch_size)
                                               .stride(config.patch_size)
                                               .bias(false)));
  position_embedding = embeddings->register_module("position_embedding",
                                                   torch::nn::Embedding(1 + patches, config.hidden_size));
  pre_layrnorm = register_module("pre_layrnorm", layer_norm(config.hidden_size, config.layer_norm_eps));
  encoder = register_module("encoder", Transformer(config));
  post_layernorm = register_module("post_layernorm", layer_norm(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor VisionTowerImpl::forward(const torch::Tensor& pixels, std::vector<torch::Tensor>* hidden) {
  if (pixels.dim() != 4 || pixels.size(1) != 3 || pixels.size(2) != config.image_height ||
      pixels.size(3) != config.image_width)
    invalid_input("pixels {}: the image tower takes (batch, 3, {}, {})", sizes_string(pixels),
                  config.image_height, config.image_width);
  const auto B = pixels.size(0);
  const torch::Tensor patches = patch_embedding(pixels).flatten(2).transpose(1, 2);  // (B, P, W), row by row
  const torch::Tensor first = class_embedding.expand({B, 1, config.hidden_size});
  const torch::Tensor x = torch::cat({first, patches}, 1) + position_embedding->weight;
  return post_layernorm(encoder->forward(pre_layrnorm(x), {}, hidden).select(1, 0));
}

TextTowerImpl::TextTowerImpl(const TextConfig& config) : config(config) {
  const auto embeddings = group(*this, "embeddings");
  token_embedding = embeddings->register_module("token_embedding",
                                                torch::nn::Embedding(config.vocab_size, config.hidden_size));
  position_embedding = embeddings->register_module(
      "position_embedding", torch::nn::Embedding(config.max_position_embeddings, config.hidden_size));
  encoder = register_module("encoder", Transformer(config));
  final_layer_norm =
      register_module("final_layer_norm", layer_norm(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor TextTowerImpl::forward(const torch::Tensor& tokens, std::vector<torch::Tensor>* hidden) {
  if (tokens.dim() != 2 || tokens.size(1) < 1 || tokens.size(1) > config.max_position_embeddings)
    invalid_input("tokens {}: the text tower takes (batch, tokens) with 1 to {} tokens", sizes_string(tokens),
                  config.max_position_embeddings);
  const torch::Tensor ids = tokens.to(torch::kInt64);
  const auto B = ids.size(0), T = ids.size(1);
  if (B > 0) {
    const auto low = ids.min().item<std::int64_t>(), high = ids.max().item<std::int64_t>();
    if (low < 0 || high >= config.vocab_size)
      invalid_input(
          "token id {} is not in the model's vocabulary of {}; tokenize with the checkpoint's own tokenizer",
          low < 0 ? low : high, config.vocab_size);
  }
  const torch::Tensor x = token_embedding(ids) + position_embedding->weight.slice(0, 0, T);
  const torch::Tensor mask =
      torch::full({T, T}, -std::numeric_limits<float>::infinity(), x.options().requires_grad(false)).triu(1);
  const torch::Tensor y = encoder->forward(x, mask, hidden);
  // argmax takes the first of equal values, so a padding that repeats the end token does no harm.
  const torch::Tensor end = (ids == config.eos_token_id).to(torch::kInt).argmax(1);
  const torch::Tensor pooled = y.gather(1, end.view({B, 1, 1}).expand({B, 1, config.hidden_size})).squeeze(1);
  return final_layer_norm(pooled);
}

}  // namespace edgeclip
