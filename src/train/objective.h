#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/losses/registry.h"

namespace edgeclip {

/// What an objective says of a batch.
struct ObjectiveValue {
  torch::Tensor total;                                       ///< scalar; undefined if no loss applies
  std::vector<std::pair<std::string, torch::Tensor>> parts;  ///< each loss by its name, without its weight
};

/// What a training minimizes: the weighted sum of losses.  It owns their parameters, which train with the
/// model's and belong to the run's state alone.  In evaluation mode those losses are left out that say
/// nothing of unseen pairs.  Not thread-safe.
class ObjectiveImpl : public torch::nn::Module {
 public:
  /// Makes the losses of loss_rows() whose weight is not 0.  Throws InvalidInput where one does not fit.
  ObjectiveImpl(const ObjectiveOptions& options, const LossContext& context);

  ObjectiveValue forward(const Features& features);
  /// Names of the losses that forward() computes in the mode it is in.
  std::vector<std::string> measured() const;
  /// All that forward() wants of a batch: encoded(), and what a teacher says.
  Features features(DualEncoder& model, const Inputs& inputs, bool bf16);
  /// Of the teacher's weights; "" without one.
  std::string teacher_hash() const { return teacher_ ? teacher_->hash() : ""; }
  /// Null without one.
  Teacher* teacher() { return teacher_.get(); }
  /// What gradients flow through to the model.
  Features encoded(DualEncoder& model, const Inputs& inputs, bool bf16);

 private:
  struct Term {
    std::string name;
    double weight;
    bool measures_unseen;
    std::shared_ptr<Loss> loss;
  };
  bool counts(const Term& term) const { return is_training() || term.measures_unseen; }

  std::vector<Term> terms_;
  std::unique_ptr<Teacher> teacher_;
};
TORCH_MODULE(Objective);

}  // namespace edgeclip
