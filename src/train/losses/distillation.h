#pragma once

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

/// Logits are exp(logit scale) times cosines, of the student's and of the teacher's own scale.
class DistillationLoss : public Loss {
 public:
  explicit DistillationLoss(const DistillationOptions& options) : options_(options) {}
  torch::Tensor forward(const Features& features) override;

 private:
  const DistillationOptions options_;
};

}  // namespace edgeclip
