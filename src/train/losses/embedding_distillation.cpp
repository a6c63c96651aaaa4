#include "train/losses/embedding_distillation.h"

#include <cmath>

#include "base/error.h"
#include "model/dual_encoder.h"

namespace edgeclip {

torch::Tensor embedding_distance(const torch::Tensor& student, const torch::Tensor& teacher,
                                 const std::string& measure) {
  EDGECLIP_CHECK(student.dim() == 2 && student.sizes() == teacher.sizes(), "embeddings of different widths");
  if (measure == "mse") return (student - teacher).square().mean();
  return (1 - (student * teacher).sum(1)).mean();
}

EmbeddingDistillationLoss::EmbeddingDistillationLoss(const EmbeddingDistillationOptions& options, std::int64_t width,
                                                     std::int64_t teacher_width)
    : options_(options) {
  if (width == teacher_width) return;
  const double deviation = 1 / std::sqrt(static_cast<double>(width));
  image_projection = register_parameter("image_projection", torch::randn({teacher_width, width}) * deviation);
  text_projection = register_parameter("text_projection", torch::randn({teacher_width, width}) * deviation);
}

torch::Tensor EmbeddingDistillationLoss::forward(const Features& features) {
  const TeacherOutput& teacher = features.teacher;
  EDGECLIP_CHECK(teacher.image.defined(), "features without a teacher's");
  const auto distance = [&](const torch::Tensor& student, const torch::Tensor& map, const torch::Tensor& target) {
    return embedding_distance(map.defined() ? unit_rows(torch::matmul(student, map.t())) : student, target,
                              options_.measure);
  };
  return 0.5 * (distance(features.image.unit, image_projection, teacher.image) +
                distance(features.text.unit, text_projection, teacher.text));
}

}  // namespace edgeclip
