#pragma once

#include <memory>

#include "data/dataset/loader.h"
#include "model/checkpoint.h"
#include "retrieval/evaluate.h"

namespace edgeclip {

/// Loss of one batch under model's mode: contrastive_loss of both towers' embeddings, the towers in bf16 if
/// asked.
torch::Tensor batch_loss(DualEncoder& model, const Batch& batch, bool identity_targets, bool bf16);

struct Validation {
  double loss = 0;  ///< mean over images, in batches of the training's size
  Evaluation retrieval;
};

/// Measures a checkpoint on one split of a dataset, as often as asked.  float32, no gradients.  Both outlive
/// it.
class Validator {
 public:
  /// loading: decoding and the policy for unreadable images; how it composes batches does not count here.
  /// Throws InvalidInput if the split has no images.
  Validator(const Dataset& dataset, const std::string& split, const ImageTransform& image, int batch,
            bool identity_targets, LoadingOptions loading = {});
  Validation run(const Checkpoint& checkpoint);

 private:
  const Dataset& dataset_;
  const std::string split_;
  const int batch_;
  const bool identity_targets_;
  std::unique_ptr<Loader> loader_;
};

/// {"loss","text_to_image":{...},"image_to_text":{...}}
Json to_json(const Validation& validation);

}  // namespace edgeclip
