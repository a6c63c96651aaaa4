#include "train/losses.h"

#include <cmath>

#include "base/safetensors.h"
#include "model/checkpoint.h"
#include "support/support.h"

namespace edgeclip {
namespace {

torch::Tensor unit(const torch::Tensor& x) { return torch::nn::functional::normalize(x); }

/// Value and gradients of a golden loss file: image and text as given there are not normalized yet.
void check_golden(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const auto get = [&](const std::string& name) { return from_tensor(file.get(name).view()); };
  torch::Tensor image = get("image").requires_grad_(true), text = get("text").requires_grad_(true);
  torch::Tensor scale = get("logit_scale").requires_grad_(true);
  std::vector<std::int64_t> ids;
  if (file.contains("pids")) {
    const Tensor pids = file.get("pids");
    ids.assign(pids.data<std::int64_t>(), pids.data<std::int64_t>() + pids.elements());
  }
  const torch::Tensor loss = contrastive_loss(unit(image), unit(text), scale.squeeze(), ids);
  const double expected = get("loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5 * std::abs(expected));
  loss.backward();
  for (const auto& [name, tensor] :
       {std::pair<std::string, torch::Tensor>{"image", image}, {"text", text}, {"logit_scale", scale}}) {
    const torch::Tensor golden = get("grad." + name);
    const double tolerance = 1e-6 + 1e-4 * golden.abs().max().item<double>();
    EXPECT_LE((tensor.grad().view_as(golden) - golden).abs().max().item<double>(), tolerance) << name;
  }
}

TEST(LossesGolden, ContrastiveValueAndGradients) {
  for (const char* name : {"contrastive", "contrastive_scale_100"}) {
    SCOPED_TRACE(name);
    EDGECLIP_REQUIRE_PARITY(path, std::string("losses/") + name + ".safetensors");
    check_golden(path);
  }
}

TEST(LossesGolden, IdenticalRowsGiveLogOfBatch) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/contrastive_identical_rows.safetensors");
  check_golden(path);
}

TEST(LossesGolden, IdentityTargetsValueAndGradients) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/multi_positive.safetensors");
  check_golden(path);
}

TEST(Losses, DifferentIdsAreTheDiagonal) {
  torch::manual_seed(1);
  const torch::Tensor image = unit(torch::randn({5, 8})), text = unit(torch::randn({5, 8})),
                      scale = torch::tensor(2.0f);
  const double plain = contrastive_loss(image, text, scale).item<double>();
  EXPECT_DOUBLE_EQ(contrastive_loss(image, text, scale, {4, 2, 9, 1, 0}).item<double>(), plain);
  EXPECT_NE(contrastive_loss(image, text, scale, {4, 2, 4, 1, 0}).item<double>(), plain);
}

TEST(Losses, PairsOfOnePersonAreNoMistake) {
  // Two persons with two pairs each, embeddings perfect: the best reachable loss is ln 2, not the diagonal's.
  const torch::Tensor rows = torch::eye(2).repeat_interleave(2, 0);
  const torch::Tensor scale = torch::tensor(static_cast<float>(std::log(100.0)));
  EXPECT_NEAR(contrastive_loss(rows, rows, scale, {0, 0, 1, 1}).item<double>(), std::log(2.0), 1e-5);
}

TEST(Losses, RoundedInputsGiveAnUnroundedLoss) {
  torch::manual_seed(2);
  const torch::Tensor image = unit(torch::randn({4, 8})).to(torch::kBFloat16), scale = torch::tensor(4.0f);
  EXPECT_DOUBLE_EQ(
      contrastive_loss(image, image, scale).item<double>(),
      contrastive_loss(image.to(torch::kFloat32), image.to(torch::kFloat32), scale).item<double>());
}

TEST(Losses, LogitScaleStaysInItsRange) {
  torch::Tensor high = torch::tensor(7.0f).requires_grad_(true), low = torch::tensor(-0.5f),
                inside = torch::tensor(3.0f);
  clamp_logit_scale(high);
  clamp_logit_scale(low);
  clamp_logit_scale(inside);
  EXPECT_NEAR(high.item<double>(), std::log(100.0), 1e-6);
  EXPECT_EQ(low.item<double>(), 0.0);
  EXPECT_EQ(inside.item<double>(), 3.0);
}

}  // namespace
}  // namespace edgeclip
