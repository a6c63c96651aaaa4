#include "train/losses/distillation.h"

#include "train/losses/golden_loss.h"

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

}  // namespace
}  // namespace edgeclip
