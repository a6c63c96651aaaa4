#include "train/losses/distillation.h"

#include "base/error.h"

namespace edgeclip {

torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                                const DistillationOptions& options) {
  EDGECLIP_CHECK(student.sizes() == teacher.sizes() && student.dim() == 2);
  const double t = options.temperature;
  const auto divergence = [&](std::int64_t over) {
    const torch::Tensor p = torch::log_softmax(student / t, over), q = torch::log_softmax(teacher / t, over);
    const torch::Tensor terms =
        options.divergence == "teacher_student" ? q.exp() * (q - p) : p.exp() * (p - q);
    return terms.sum(over).mean();
  };
  const torch::Tensor rows = divergence(1);
  return t * t * (options.both_directions ? 0.5 * (rows + divergence(0)) : rows);
}

torch::Tensor DistillationLoss::forward(const Features& features) {
  EDGECLIP_CHECK(features.teacher.image.defined(), "features without a teacher's");
  const TeacherOutput& teacher = features.teacher;
  return distillation_loss(
      features.logit_scale.exp() * torch::matmul(features.image.unit, features.text.unit.t()),
      teacher.logit_scale.exp() * torch::matmul(teacher.image, teacher.text.t()), options_);
}

}  // namespace edgeclip
