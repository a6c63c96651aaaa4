#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "data/dataset/loader.h"
#include "model/dual_encoder.h"
#include "train/objective.h"

namespace edgeclip {

/// One MLP of a tower, by its name ("vision_model.encoder.layers.0.mlp").
struct MlpLayer {
  std::string name;
  bool vision = true;
  Mlp mlp{nullptr};
};

/// The MLPs of the image tower, then those of the text tower.
std::vector<MlpLayer> mlp_layers(const DualEncoder& model);

/// Scores every MLP neuron on calibration batches.  h is a neuron's activation (what fc2 sees), at each token
/// of each pair; padding after the end of a text does not count.
///   taylor     sum over tokens of |h * dL/dh|, L the objective in evaluation mode: the first-order change of L if that
///              token's h were zero (Molchanov et al. 2019, arXiv:1906.10771).  All layers' are changes of one L, so that
///              they compare as they are
///   magnitude  sum over tokens of |h|, times the norm of fc2's column: how much the neuron writes, in its layer's own scale
/// Means over batches.  Not thread-safe.
class NeuronImportance {
 public:
  /// kind: "taylor" | "magnitude".  The model must have no adapter; it is used in evaluation mode.
  NeuronImportance(DualEncoder model, std::string kind);
  /// For taylor a loss of objective must be one that can be measured in evaluation mode.
  void add(const Batch& batch, Objective& objective);
  /// One (neurons) float32 vector per mlp_layers() entry.  Throws InvalidInput naming a layer whose scores are no numbers.
  std::vector<torch::Tensor> scores() const;
  /// Multiply-accumulates of a pair that one neuron of each layer takes, in fc1 and fc2: as profile_model() counts them, of all rows of
  /// the exported network, for captions of the batches' mean length, since neither training nor the engine computes padding.
  std::vector<double> macs_per_neuron() const;

 private:
  DualEncoder model_;
  const std::string kind_;
  std::vector<MlpLayer> layers_;
  std::vector<torch::Tensor> sums_;
  std::vector<double> tokens_;  ///< of a pair, summed over batches
  std::int64_t batches_ = 0;
};

}  // namespace edgeclip
