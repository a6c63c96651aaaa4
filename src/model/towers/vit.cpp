#include "model/towers/vit.h"

#include <cmath>

#include "model/ops/fake_quantize.h"
#include "model/profiler.h"
#include "model/towers/clip_blocks.h"
#include "model/towers/transformer_groups.h"

namespace edgeclip {

VisionTransformer::VisionTransformer(const VisionConfig& config) : config(config) {
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
  encoder = register_module("encoder", clip_blocks(config));
  post_layernorm = register_module("post_layernorm", layer_norm(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor VisionTransformer::forward(const torch::Tensor& pixels, ComputeType compute,
                                         std::vector<torch::Tensor>* hidden) {
  require_pixels(pixels, config.image_height, config.image_width);
  const auto B = pixels.size(0);
  const torch::Tensor in = as_operand(pixels, compute);
  const torch::Tensor filters =
      patch_bits > 0 ? ops::fake_quantize_channels(patch_embedding->weight, patch_bits) : patch_embedding->weight;
  const torch::Tensor grid = torch::conv2d(in, filters.to(in.scalar_type()), {}, /*stride=*/config.patch_size);
  const torch::Tensor patches = grid.flatten(2).transpose(1, 2);  // (B, P, W), row by row
  const torch::Tensor first = class_embedding.expand({B, 1, config.hidden_size});
  const torch::Tensor x = torch::cat({first, patches}, 1) + position_embedding->weight;
  const torch::Tensor rows = pre_layrnorm(x).flatten(0, 1);  // (B (1 + P), W)
  Sequences sequences = Sequences::equal(B, x.size(1));
  torch::Tensor pooled;
  if (config.pooling == "mean") {
    const torch::Tensor y = encoder->forward(rows, sequences, compute, hidden);
    const torch::Tensor normed = post_layernorm(y.view({B, B == 0 ? x.size(1) : sequences.longest(), config.hidden_size}).slice(1, 1));
    // The mean of the patches, whatever rows they are in.
    pooled = sequences.sizes.defined() && B > 0 ? (normed * sequences.sizes.view({B, -1, 1}).slice(1, 1)).sum(1) / patches.size(1)
                                       : normed.mean(1);
  } else {
    const torch::Tensor first_rows = sequences.first_rows(rows.device());
    pooled = post_layernorm(encoder->rows_at(first_rows, rows, sequences, compute, hidden));
  }
  separate(hidden, B);
  return pooled;
}

void VisionTransformer::initialize() {
  const torch::NoGradGuard no_grad;
  torch::nn::init::normal_(class_embedding, 0.0, std::pow(config.hidden_size, -0.5));
  torch::nn::init::normal_(patch_embedding->weight, 0.0, 0.02);
  torch::nn::init::normal_(position_embedding->weight, 0.0, 0.02);
  initialize_clip_blocks(encoder);
  initialize_plain(*this);
}

void VisionTransformer::profile(Profiler& profiler, const std::string& name, std::int64_t batch) const {
  const std::int64_t positions = position_embedding->weight.size(0);  // the class token's is the first
  profiler.add(name + ".embeddings", "embeddings",
               mac_product({batch, positions - 1, patch_embedding->weight.numel()}),
               {named_children()["embeddings"].get()});
  profiler.add(name + ".pre_layrnorm", "layer_norm", 0, {pre_layrnorm.get()});
  profile_blocks(profiler, name + "." + blocks_name(), encoder, batch, positions);
  profiler.add(name + ".post_layernorm", "layer_norm", 0, {post_layernorm.get()});
}

std::vector<PruneGroup> VisionTransformer::prune_groups(const std::string& name, double /*tokens*/) {
  return transformer_groups(*this, name, &ModelConfig::vision, static_cast<double>(position_embedding->weight.size(0)));
}

std::vector<PruneBlock> VisionTransformer::prune_blocks(const std::string& name) {
  return transformer_blocks(*this, name, &ModelConfig::vision);
}

std::vector<QuantizableValue> VisionTransformer::quantizable(const std::string& name) {
  std::vector<QuantizableValue> values = {{nullptr, {{name + ".embeddings.patch_embedding.weight", &patch_bits}}}};
  for (QuantizableValue& value : encoder->quantizable(name + "." + blocks_name())) values.push_back(std::move(value));
  return values;
}

}  // namespace edgeclip
