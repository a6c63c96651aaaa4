#pragma once

#include <mutex>

#include "model/checkpoint.h"
#include "retrieval/encoder.h"

namespace edgeclip {

/// LibTorch's modules as an Encoder: float32, evaluation mode, no gradients.  One call at a time; LibTorch's
/// own threads work inside it.  It shares the checkpoint's model, so what trains it changes what this
/// returns; model_hash() is computed at each call.
class CheckpointEncoder : public Encoder {
 public:
  explicit CheckpointEncoder(Checkpoint checkpoint, int max_batch = 64);

  const ModelCard& card() const override { return checkpoint_.card; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return checkpoint_.tokenizer; }
  Tensor encode_images(const TensorView& pixels) override;
  Tensor encode_tokens(const TensorView& tokens) override;
  std::string model_hash() const override;
  std::string precision() const override { return "fp32"; }
  int max_batch() const override { return max_batch_; }

 private:
  template <class Encode>
  Tensor run(std::int64_t rows, const Encode& encode);
  torch::Device device() const { return checkpoint_.model->logit_scale.device(); }

  Checkpoint checkpoint_;
  const int max_batch_;
  mutable std::mutex mutex_;
};

}  // namespace edgeclip
