#pragma once

#include "train/losses/loss.h"
#include "train/objective_options.h"

namespace edgeclip {

/// Distillation of embeddings: with s_i, t_i the student's and the teacher's unit rows,
///   cosine  L = mean_i 1 - <s_i, t_i>
///   mse     L = mean_i |s_i - t_i|^2 / D'   (feature distillation of CLIP-KD: Yang et al. 2024, arXiv:2307.12732)
/// Of unit rows the second is the first times 2 / D'.  student, teacher: (B, D') unit rows.  Returns a scalar.
torch::Tensor embedding_distance(const torch::Tensor& student, const torch::Tensor& teacher, const std::string& measure);

/// The mean of that of images and of texts.  Where the teacher's embeddings have another width D' than the student's D, a
/// learned map (D', D) of each tower comes before, whose rows are made unit again; it trains with the model and is saved
/// with the run's state.
class EmbeddingDistillationLoss : public Loss {
 public:
  /// width, teacher_width: D and D'.  Maps are N(0, 1 / D), from torch's generator.
  EmbeddingDistillationLoss(const EmbeddingDistillationOptions& options, std::int64_t width,
                            std::int64_t teacher_width);
  torch::Tensor forward(const Features& features) override;

  torch::Tensor image_projection, text_projection;  ///< (D', D); undefined where the widths are equal

 private:
  const EmbeddingDistillationOptions options_;
};

}  // namespace edgeclip
