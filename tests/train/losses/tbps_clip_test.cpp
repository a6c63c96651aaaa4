#include "train/losses/contrastive.h"
#include "train/losses/cyclic.h"
#include "train/losses/golden_loss.h"
#include "train/losses/reversed_contrastive.h"
#include "train/losses/sdm.h"
#include "train/losses/self_supervision.h"

namespace edgeclip {
namespace {

using test::unit;

torch::Tensor persons(std::vector<std::int64_t> ids) { return torch::tensor(ids, torch::kInt64); }

TEST(ReversedContrastiveLoss, GoldenValueAndGradients) {
  for (const char* name : {"reversed_contrastive", "reversed_contrastive_near"}) {
    SCOPED_TRACE(name);
    test::check_golden_loss(
        test::golden(std::string("losses/") + name + ".safetensors"), {"image", "text", "logit_scale"},
        [](test::Leaves& in) {
          return reversed_contrastive_loss(unit(in["image"]), unit(in["text"]), in["logit_scale"].squeeze(), in["pids"],
                                           1e-2);
        });
  }
}

TEST(ReversedContrastiveLoss, IsHalfOfSdmAtItsTemperature) {
  torch::manual_seed(1);
  const torch::Tensor image = unit(torch::randn({5, 8})), text = unit(torch::randn({5, 8})),
                      ids = persons({4, 2, 4, 1, 0});
  const torch::Tensor scale = torch::tensor(static_cast<float>(std::log(50.0)));
  EXPECT_NEAR(reversed_contrastive_loss(image, text, scale, ids, 1e-8).item<double>(),
              0.5 * sdm_loss(image, text, ids, 0.02, 1e-8).item<double>(), 1e-4);
}

TEST(CyclicLoss, GoldenValueAndGradients) {
  test::check_golden_loss(test::golden("losses/cyclic.safetensors"), {"image", "text"}, [](test::Leaves& in) {
    return cyclic_loss(unit(in["image"]), unit(in["text"]), 0.25, 0.75);
  });
}

TEST(CyclicLoss, IsZeroWhereBothSidesHaveOneGeometry) {
  torch::manual_seed(2);
  const torch::Tensor rows = unit(torch::randn({4, 6}));
  EXPECT_NEAR(cyclic_loss(rows, rows, 1, 1).item<double>(), 0, 1e-7);
  // A turn keeps what is within each side, not what is across.
  const torch::Tensor turned = rows.roll(1, 1);
  EXPECT_NEAR(cyclic_loss(rows, turned, 1, 0).item<double>(), 0, 1e-7);
  EXPECT_GT(cyclic_loss(rows, turned, 0, 1).item<double>(), 1e-3);
}

Features two_views(const torch::Tensor& first, const torch::Tensor& second) {
  Features features;
  features.image.projected = first;
  features.second_image.projected = second;
  return features;
}

TEST(SelfSupervisionLoss, GoldenValueAndGradients) {
  test::check_golden_loss(test::golden("losses/simclr.safetensors"),
                          {"first", "second", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"},
                          [](test::Leaves& in) {
                            const auto head = [&](const torch::Tensor& x) {
                              const torch::Tensor hidden = torch::relu(torch::linear(x, in["fc1_weight"], in["fc1_bias"]));
                              return torch::linear(hidden, in["fc2_weight"], in["fc2_bias"]);
                            };
                            return simclr_loss(head(in["first"]), head(in["second"]), 0.1);
                          });
}

TEST(SelfSupervisionLoss, ReadsBothViewsThroughItsHead) {
  torch::manual_seed(3);
  SelfSupervisionOptions options;
  options.hidden_size = 6;
  SelfSupervisionLoss loss(options, 8);
  EXPECT_EQ(loss.parameters().size(), 4u);
  const torch::Tensor first = torch::randn({5, 8}), second = torch::randn({5, 8});
  const auto head = [&](const torch::Tensor& x) { return loss.fc2(torch::relu(loss.fc1(x))); };
  EXPECT_NEAR(loss.forward(two_views(first, second)).item<double>(),
              simclr_loss(head(first), head(second), options.temperature).item<double>(), 1e-6);
  EXPECT_LT(loss.forward(two_views(first, first)).item<double>(), loss.forward(two_views(first, second)).item<double>());
}

}  // namespace
}  // namespace edgeclip
