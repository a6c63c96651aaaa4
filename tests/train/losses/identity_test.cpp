#include "train/losses/identity.h"

#include "train/losses/golden_loss.h"

namespace edgeclip {
namespace {

Features features_of(const torch::Tensor& image, const torch::Tensor& text, const torch::Tensor& ids) {
  Features features;
  features.image.projected = image;
  features.text.projected = text;
  features.ids = ids;
  return features;
}

TEST(IdentityGolden, ValueAndGradients) {
  EDGECLIP_REQUIRE_PARITY(path, "losses/id.safetensors");
  test::check_golden_loss(path, {"image", "text", "weight", "bias"}, [](test::Leaves& in) {
    // The file's labels are classes 0 to 4: persons of these ids have these places.
    IdentityLoss loss({}, {0, 1, 2, 3, 4}, in["image"].size(1));
    loss.weight = in["weight"];
    loss.bias = in["bias"];
    return loss.forward(features_of(in["image"], in["text"], in["labels"]));
  });
}

TEST(IdentityLoss, ClassesAreThePersonsInAscendingOrder) {
  torch::manual_seed(4);
  IdentityLoss loss({}, {70, 3, 70, 11, 3}, 4);
  ASSERT_EQ(loss.weight.sizes(), (std::vector<std::int64_t>{3, 4}));
  const torch::Tensor rows = torch::randn({2, 4});
  const torch::Tensor ids = torch::tensor(std::vector<std::int64_t>{70, 11}, torch::kInt64);
  const torch::Tensor logits = torch::matmul(rows, loss.weight.t());
  const torch::Tensor expected = -torch::log_softmax(logits, 1).gather(
      1, torch::tensor(std::vector<std::int64_t>{2, 1}, torch::kInt64).unsqueeze(1));
  EXPECT_NEAR(loss.forward(features_of(rows, rows, ids)).item<double>(), expected.mean().item<double>(),
              1e-6);
}

TEST(IdentityLoss, SmoothingIsLibTorchs) {
  torch::manual_seed(5);
  IdentityOptions options;
  options.label_smoothing = 0.1;
  IdentityLoss loss(options, {0, 1, 2}, 4);
  const torch::Tensor image = torch::randn({3, 4}), text = torch::randn({3, 4}), ids = torch::arange(3);
  const auto smooth = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(0.1);
  const auto entropy = [&](const torch::Tensor& x) {
    return torch::nn::functional::cross_entropy(torch::matmul(x, loss.weight.t()), ids, smooth)
        .item<double>();
  };
  EXPECT_NEAR(loss.forward(features_of(image, text, ids)).item<double>(),
              0.5 * (entropy(image) + entropy(text)), 1e-6);
}

TEST(IdentityLoss, OnePersonIsRefused) {
  const std::string message = test::invalid_input_of([] { IdentityLoss({}, {8, 8, 8}, 4); });
  EXPECT_NE(message.find("losses.identity"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
