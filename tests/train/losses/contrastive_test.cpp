#include "train/losses/contrastive.h"

#include <cmath>

#include "train/losses/golden_loss.h"

namespace edgeclip {
namespace {

using test::unit;

torch::Tensor ids_of(std::vector<std::int64_t> ids) { return torch::tensor(ids, torch::kInt64); }

void check_golden(const std::filesystem::path& path, bool any_positive = false) {
  test::check_golden_loss(path, {"image", "text", "logit_scale"}, [any_positive](test::Leaves& in) {
    return contrastive_loss(unit(in["image"]), unit(in["text"]), in["logit_scale"].squeeze(), in["pids"],
                            /*label_smoothing=*/0, any_positive);
  });
}

TEST(ContrastiveGolden, ContrastiveValueAndGradients) {
  for (const char* name : {"contrastive", "contrastive_scale_100"}) {
    SCOPED_TRACE(name);
    EDGECLIP_REQUIRE_PARITY(path, std::string("losses/") + name + ".safetensors");
    check_golden(path);
  }
}

TEST(ContrastiveGolden, IdenticalRowsGiveLogOfBatch) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/contrastive_identical_rows.safetensors");
  check_golden(path);
}

TEST(ContrastiveGolden, IdentityTargetsValueAndGradients) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/multi_positive.safetensors");
  check_golden(path);
}

TEST(ContrastiveGolden, AnyOfTheIdentityValueAndGradients) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/multi_positive_log_sum.safetensors");
  check_golden(path, /*any_positive=*/true);
}

TEST(ContrastiveLoss, OnePairOfAPersonIsEnoughWhereAnyIsRight) {
  // Two persons with two pairs each: perfect embeddings reach 0, where each is to be likely ln 2.
  const torch::Tensor rows = torch::eye(2).repeat_interleave(2, 0);
  const torch::Tensor scale = torch::tensor(static_cast<float>(std::log(100.0)));
  EXPECT_NEAR(contrastive_loss(rows, rows, scale, ids_of({0, 0, 1, 1}), 0, true).item<double>(), 0, 1e-5);
}

TEST(ContrastiveLoss, DifferentIdsAreTheDiagonal) {
  torch::manual_seed(1);
  const torch::Tensor image = unit(torch::randn({5, 8})), text = unit(torch::randn({5, 8})),
                      scale = torch::tensor(2.0f);
  const double plain = contrastive_loss(image, text, scale).item<double>();
  EXPECT_DOUBLE_EQ(contrastive_loss(image, text, scale, ids_of({4, 2, 9, 1, 0})).item<double>(), plain);
  EXPECT_NE(contrastive_loss(image, text, scale, ids_of({4, 2, 4, 1, 0})).item<double>(), plain);
}

TEST(ContrastiveLoss, PairsOfOnePersonAreNoMistake) {
  // Two persons with two pairs each, embeddings perfect: the best reachable loss is ln 2, not the diagonal's.
  const torch::Tensor rows = torch::eye(2).repeat_interleave(2, 0);
  const torch::Tensor scale = torch::tensor(static_cast<float>(std::log(100.0)));
  EXPECT_NEAR(contrastive_loss(rows, rows, scale, ids_of({0, 0, 1, 1})).item<double>(), std::log(2.0), 1e-5);
}

TEST(ContrastiveLoss, WithoutIdentitiesCaptionsOfOneImageAreNoMistake) {
  // Persons 0 and 1; the first two pairs are captions of one image, the third is another image of person 0.
  ContrastiveOptions options;
  options.identity_targets = false;
  ContrastiveLoss loss(options);
  torch::manual_seed(8);
  Features features;
  features.image.unit = unit(torch::randn({4, 6}));
  features.text.unit = unit(torch::randn({4, 6}));
  features.logit_scale = torch::tensor(2.0f);
  features.ids = ids_of({0, 0, 0, 1});
  features.pairs = ids_of({11, 11, 12, 30});
  const auto expected = [&](const torch::Tensor& same) {
    return contrastive_loss(features.image.unit, features.text.unit, features.logit_scale, same).item<double>();
  };
  EXPECT_DOUBLE_EQ(loss.forward(features).item<double>(), expected(features.pairs));
  EXPECT_NE(loss.forward(features).item<double>(), expected({}));
  features.pairs = torch::Tensor();
  EXPECT_DOUBLE_EQ(loss.forward(features).item<double>(), expected({})) << "a batch that does not say";
}

TEST(ContrastiveLoss, RoundedInputsGiveAnUnroundedLoss) {
  torch::manual_seed(2);
  const torch::Tensor image = unit(torch::randn({4, 8})).to(torch::kBFloat16), scale = torch::tensor(4.0f);
  EXPECT_DOUBLE_EQ(
      contrastive_loss(image, image, scale).item<double>(),
      contrastive_loss(image.to(torch::kFloat32), image.to(torch::kFloat32), scale).item<double>());
}

TEST(ContrastiveLoss, SmoothingIsLibTorchs) {
  torch::manual_seed(3);
  const torch::Tensor image = unit(torch::randn({6, 8})), text = unit(torch::randn({6, 8})),
                      scale = torch::tensor(2.5f);
  const auto smooth = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(0.2);
  const torch::Tensor logits = (scale.exp() * torch::matmul(image, text.t())).to(torch::kFloat64),
                      diagonal = torch::arange(6);
  const double expected = 0.5 * (torch::nn::functional::cross_entropy(logits, diagonal, smooth) +
                                 torch::nn::functional::cross_entropy(logits.t(), diagonal, smooth))
                                    .item<double>();
  EXPECT_NEAR(contrastive_loss(image, text, scale, {}, 0.2).item<double>(), expected, 1e-5 * expected);

  // With several right pairs: the soft target of each row, smoothed.
  const torch::Tensor ids = ids_of({1, 2, 1, 3, 2, 2});
  torch::Tensor target = ids.unsqueeze(0).eq(ids.unsqueeze(1)).to(torch::kFloat64);
  target = target / target.sum(1, true);
  const double several = 0.5 * (torch::nn::functional::cross_entropy(logits, target, smooth) +
                                torch::nn::functional::cross_entropy(logits.t(), target, smooth))
                                   .item<double>();
  EXPECT_NEAR(contrastive_loss(image, text, scale, ids, 0.2).item<double>(), several, 1e-5 * several);
}

TEST(ContrastiveLoss, LogitScaleStaysInItsRange) {
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
