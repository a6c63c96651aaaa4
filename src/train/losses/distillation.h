#pragma once

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531) between similarities, where students and
/// teachers of any width compare: with p = softmax(student / T) and q = softmax(teacher / T) of each row,
///   teacher_student   L = T^2 mean_i KL(q_i || p_i)
///   student_teacher   L = T^2 mean_i KL(p_i || q_i)
/// both_directions: the mean of that and of the same over columns.  student, teacher: (B, B) logits, rows are
/// images.  Returns a scalar.
torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                                const DistillationOptions& options);

/// Logits are exp(logit scale) times cosines, of the student's and of the teacher's own scale.  The teacher
/// is frozen, in evaluation mode, and saved with nothing.  Validation does without it: that would encode the
/// split twice.
class DistillationLoss : public Loss {
 public:
  /// Loads the teacher.  Throws InvalidInput unless it sees images as the student does, and reads the same
  /// tokens in the captions of dataset.
  DistillationLoss(const DistillationOptions& options, const Checkpoint& student, const Dataset& dataset);
  void add_targets(const Inputs& inputs, Features& features) override;
  torch::Tensor forward(const Features& features) override;
  bool measures_unseen() const override { return false; }

 private:
  const DistillationOptions options_;
  Checkpoint teacher_;
};

}  // namespace edgeclip
