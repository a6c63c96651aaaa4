#include "train/losses/distillation.h"

#include "train/losses/embedding_distillation.h"
#include "train/losses/golden_loss.h"
#include "train/losses/hidden_distillation.h"

namespace edgeclip {
namespace {

DistillationOptions options_of(const std::string& divergence, bool both, double temperature) {
  DistillationOptions options;
  options.divergence = divergence;
  options.both_directions = both;
  options.temperature = temperature;
  return options;
}

/// The files hold 0.3 * distillation + 0.7 * cross-entropy of the diagonal.
TEST(DistillationGolden, ValueAndGradients) {
  for (const double temperature : {1.0, 4.0})
    for (const std::string name : {"student_teacher", "teacher_student", "student_teacher_symmetric"}) {
      SCOPED_TRACE(name);
      EDGECLIP_REQUIRE_PARITY(path, fmt::format("losses/distill_{}_T{}.safetensors", name, temperature));
      const bool both = name == "student_teacher_symmetric";
      const DistillationOptions options = options_of(both ? "student_teacher" : name, both, temperature);
      test::check_golden_loss(path, {"student", "teacher"}, [&](test::Leaves& in) {
        const auto entropy = [](const torch::Tensor& logits) {
          return -torch::log_softmax(logits, 1).diagonal().mean();
        };
        const torch::Tensor rows = entropy(in["student"]);
        const torch::Tensor hard = both ? 0.5 * (rows + entropy(in["student"].t())) : rows;
        return 0.3 * distillation_loss(in["student"], in["teacher"], options) + 0.7 * hard;
      });
    }
}

TEST(DistillationLoss, IsZeroAtTheTeacher) {
  torch::manual_seed(6);
  const torch::Tensor logits = torch::randn({5, 5}) * 10;
  for (const char* divergence : {"teacher_student", "student_teacher"})
    EXPECT_NEAR(distillation_loss(logits, logits, options_of(divergence, true, 2)).item<double>(), 0.0, 1e-6);
}

Features taught(test::Leaves& in, bool unit_rows) {
  const auto rows = [&](const char* name) { return unit_rows ? test::unit(in[name]) : in[name]; };
  Features features;
  features.image.unit = features.image.hidden = rows("image");
  features.text.unit = features.text.hidden = rows("text");
  features.teacher.image = features.teacher.image_hidden = rows("teacher_image");
  features.teacher.text = features.teacher.text_hidden = rows("teacher_text");
  return features;
}

TEST(EmbeddingDistillationLoss, GoldenValueAndGradients) {
  for (const std::string measure : {"cosine", "mse"}) {
    SCOPED_TRACE(measure);
    test::check_golden_loss(test::golden("losses/embeddings_" + measure + ".safetensors"),
                            {"image", "text", "teacher_image", "teacher_text"}, [&](test::Leaves& in) {
                              EmbeddingDistillationLoss loss({.weight = 1, .measure = measure}, 8, 8);
                              EXPECT_TRUE(loss.parameters().empty());
                              return loss.forward(taught(in, true));
                            });
  }
  test::check_golden_loss(
      test::golden("losses/embeddings_projected.safetensors"),
      {"image", "text", "teacher_image", "teacher_text", "image_projection", "text_projection"}, [&](test::Leaves& in) {
        EmbeddingDistillationLoss loss({}, 8, 5);
        EXPECT_EQ(loss.parameters().size(), 2u);
        loss.image_projection = in["image_projection"];
        loss.text_projection = in["text_projection"];
        return loss.forward(taught(in, true));
      });
}

TEST(HiddenDistillationLoss, GoldenValueAndGradients) {
  test::check_golden_loss(
      test::golden("losses/hidden.safetensors"),
      {"image", "text", "teacher_image", "teacher_text", "image_weight", "image_bias", "text_weight", "text_bias"},
      [&](test::Leaves& in) {
        HiddenDistillationLoss loss({8, 8}, {5, 6});
        loss.image->weight = in["image_weight"];
        loss.image->bias = in["image_bias"];
        loss.text->weight = in["text_weight"];
        loss.text->bias = in["text_bias"];
        return loss.forward(taught(in, false));
      });
}

}  // namespace
}  // namespace edgeclip
