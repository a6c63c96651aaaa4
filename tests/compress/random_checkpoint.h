#pragma once

#include "model/checkpoint.h"
#include "model/tensors.h"
#include "train/tiny_dataset.h"

namespace edgeclip::test {

/// A small model with random weights.
inline Checkpoint random_checkpoint() {
  torch::manual_seed(9);
  Checkpoint checkpoint;
  checkpoint.config = tiny_train_options().model;
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  checkpoint.model->eval();
  return checkpoint;
}

/// Five pairs of noise; the captions are of different lengths.
inline Batch random_batch(const ModelConfig& config) {
  Batch batch;
  batch.pixels = to_tensor(torch::randn({5, 3, config.vision.image_height, config.vision.image_width}));
  torch::Tensor tokens = torch::randint(4, config.text.vocab_size, {5, 10}, torch::kInt32);
  for (int row = 0; row < 5; ++row) {
    tokens[row][4 + row] = config.text.eos_token_id;
    tokens[row].slice(0, 5 + row).fill_(config.text.pad_token_id);
  }
  batch.tokens = to_tensor(tokens);
  batch.ids = {0, 1, 2, 3, 4};
  return batch;
}

/// (2 B, D): images, then texts.
inline torch::Tensor embeddings(const Checkpoint& checkpoint, const Batch& batch) {
  DualEncoder model = checkpoint.model;
  const torch::NoGradGuard no_grad;
  return torch::cat({model->encode_image(from_tensor(batch.pixels.view())),
                     model->encode_text(from_tensor(batch.tokens.view()).to(torch::kInt64))});
}

}  // namespace edgeclip::test
