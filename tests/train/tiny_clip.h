#pragma once

#include "base/npy.h"
#include "data/dataset/loader.h"
#include "model/checkpoint.h"
#include "support/support.h"
#include "train/losses/contrastive.h"

namespace edgeclip::test {

/// The architecture of the golden tiny_clip models.
inline ModelConfig tiny_clip_config() {
  ModelConfig config;
  config.vision.hidden_size = 64;
  config.vision.num_hidden_layers = 2;
  config.vision.num_attention_heads = 4;
  config.vision.intermediate_size = {128};
  config.vision.image_height = config.vision.image_width = 32;
  config.vision.patch_size = 8;
  config.text.vocab_size = 512;
  config.text.hidden_size = 48;
  config.text.num_hidden_layers = 2;
  config.text.num_attention_heads = 4;
  config.text.intermediate_size = {96};
  config.text.max_position_embeddings = 16;
  config.text.bos_token_id = 510;
  config.text.eos_token_id = 511;
  config.projection_dim = 32;
  return config;
}

/// The k-th of the five golden batches of 8 pairs.
inline Batch tiny_clip_batch(const std::filesystem::path& folder, std::int64_t k) {
  const Tensor pixels = read_npy(folder / "pixel_values.npy"), tokens = read_npy(folder / "input_ids.npy");
  const auto part = [&](const Tensor& all) {
    const torch::Tensor t = from_tensor(all.view())[k];
    return to_tensor(t);
  };
  Batch batch;
  batch.pixels = part(pixels);
  batch.tokens = part(tokens);
  for (std::int64_t i = 0; i < batch.pixels.dim(0); ++i) batch.ids.push_back(i);
  return batch;
}

/// The contrastive loss of one batch under model's mode.
inline torch::Tensor batch_loss(DualEncoder& model, const Batch& batch, bool identity_targets, bool bf16) {
  const Features features = encode(model, inputs_of(batch, torch::kCPU), bf16);
  return contrastive_loss(features.image.unit, features.text.unit, features.logit_scale,
                          identity_targets ? features.ids : torch::Tensor());
}

}  // namespace edgeclip::test
