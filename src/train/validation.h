#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset/loader.h"
#include "model/checkpoint.h"
#include "retrieval/evaluate/evaluate.h"
#include "train/objective.h"
#include "train/ranks.h"

namespace edgeclip {

struct Validation {
  std::optional<double> loss;  ///< mean over images, in batches of the training's size; none applies: none
  std::vector<std::pair<std::string, double>> losses;  ///< its parts, without their weights
  Evaluation retrieval;
};

/// Measures a checkpoint on one split of a dataset, as often as asked.  float32, no gradients.  Several ranks each do a part of it and
/// all have the result.  dataset and ranks outlive it.
class Validator {
 public:
  static constexpr int kExamples = 6;  ///< queries of Validation::retrieval that are shown with what they find

  /// loading: decoding and the policy for unreadable images; how it composes batches does not count here.
  /// Throws InvalidInput if the split has no images.
  Validator(const Dataset& dataset, const std::string& split, const ImageTransform& image, int batch,
            LoadingOptions loading, Ranks& ranks);
  Validation run(const Checkpoint& checkpoint, Objective& objective);

 private:
  const Dataset& dataset_;
  const std::string split_;
  const int batch_;
  Ranks& ranks_;
  std::unique_ptr<Loader> loader_;
};

/// {"loss"|null,"losses":{...},"text_to_image":{...},"image_to_text":{...}}
Json to_json(const Validation& validation);

}  // namespace edgeclip
