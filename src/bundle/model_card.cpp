#include "bundle/model_card.h"

#include "base/error.h"

namespace edgeclip {

void ClipSampling::validate(const std::string& where) const {
  if (frames < 0) invalid_input("{}frames: {} is not at least 0", where, frames);
  if (stride < 1) invalid_input("{}stride: {} is not at least 1", where, stride);
  if (step < 0) invalid_input("{}step: {} is not at least 0", where, step);
}

void ModelCard::validate(const std::string& where) const {
  image.validate(where + "image.");
  clip.validate(where + "clip.");
  if (task == "clip_classifier" && clip.frames == 0)
    invalid_input("{}clip.frames: a clip_classifier needs at least 1", where);
  if (task != "dual_encoder") return;
  // A text is its begin and its end at least.
  if (context_length < 2) invalid_input("{}context_length: {} is not at least 2", where, context_length);
  const auto positive = [&](int value, const char* key) {
    if (value <= 0) invalid_input("{}{}: must be positive, is {}", where, key, value);
  };
  positive(vocab_size, "vocab_size");
  positive(embedding_dim, "embedding_dim");
  const auto token = [&](int id, const char* key) {
    if (id < 0 || id >= vocab_size)
      invalid_input("{}{}: {} is no token id below vocab_size {}", where, key, id, vocab_size);
  };
  token(begin_id, "begin_id");
  token(end_id, "end_id");
  token(pad_id, "pad_id");
  if (!(logit_scale > 0)) invalid_input("{}logit_scale: must be positive, is {}", where, logit_scale);
}

}  // namespace edgeclip
