#include "train/losses/hidden_distillation.h"

#include "base/error.h"

namespace edgeclip {

HiddenDistillationLoss::HiddenDistillationLoss(Widths student, Widths teacher) {
  image = register_module("image", torch::nn::Linear(student.image, teacher.image));
  text = register_module("text", torch::nn::Linear(student.text, teacher.text));
}

torch::Tensor HiddenDistillationLoss::forward(const Features& features) {
  const TeacherOutput& teacher = features.teacher;
  EDGECLIP_CHECK(teacher.image_hidden.defined(), "features without a teacher's");
  const auto distance = [](torch::nn::Linear& map, const torch::Tensor& student, const torch::Tensor& target) {
    return (map(student.to(torch::kFloat)) - target.to(torch::kFloat)).square().mean();
  };
  return 0.5 * (distance(image, features.image.hidden, teacher.image_hidden) +
                distance(text, features.text.hidden, teacher.text_hidden));
}

}  // namespace edgeclip
