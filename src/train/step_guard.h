#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/dual_encoder.h"
#include "model/random_state.h"
#include "train/parameter_groups.h"

namespace edgeclip {

/// Takes back what a step left behind whose gradient cannot be used, and says where it went wrong.  Not thread-safe.
class StepGuard {
 public:
  explicit StepGuard(const DualEncoder& model);

  /// Before each step.
  void begin();
  /// Statistics that a BatchNorm moved since begin() are what they were, gradients are dropped.
  void undo(std::vector<TrainedParameter>& parameters);
  /// And nothing has been drawn: the step has not been.
  void undo_all(std::vector<TrainedParameter>& parameters);

  /// Names a weight of the model that is not finite; "" if there is none.  Reads all of them: once, at the start.
  std::string damaged_weight() const;
  /// The same of those that a step can have changed.
  static std::string damaged_weight(const std::vector<TrainedParameter>& parameters);
  /// Names the layer nearest to the output whose gradient is not finite.
  std::string damaged_gradient(const std::vector<TrainedParameter>& parameters) const;

 private:
  DualEncoder model_;
  std::vector<torch::Tensor> statistics_, before_;
  std::optional<RandomState> random_;
};

}  // namespace edgeclip
