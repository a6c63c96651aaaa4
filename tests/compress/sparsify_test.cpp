#include "compress/sparsify.h"

#include <limits>

#include "compress/every_network.h"
#include "model/layer_weights.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using namespace test;

TEST(Sparsify, TheSmallestOfAllBecomeZero) {
  Checkpoint checkpoint = kNetworks[2].checkpoint();
  std::vector<torch::Tensor> before;
  std::int64_t count = 0;
  for (const auto& [name, weight] : layer_weights(*checkpoint.model)) {
    before.push_back(weight.detach().clone());
    count += weight.numel();
  }
  sparsify(checkpoint.model, {.part = 0.6});
  const Json report = sparsity_report(checkpoint.model);
  EXPECT_EQ(report["zeros"], static_cast<std::int64_t>(std::floor(0.6 * static_cast<double>(count))));
  EXPECT_EQ(report["weights"], count);
  float largest_gone = 0, smallest_left = std::numeric_limits<float>::max();
  std::size_t i = 0;
  for (const auto& [name, weight] : layer_weights(*checkpoint.model)) {
    const torch::Tensor gone = weight == 0, old = before[i++].abs();
    if (gone.any().item<bool>()) largest_gone = std::max(largest_gone, old.masked_select(gone).max().item<float>());
    if (!gone.all().item<bool>()) smallest_left = std::min(smallest_left, old.masked_select(~gone).min().item<float>());
    EXPECT_TRUE(torch::equal(weight.masked_select(~gone), before[i - 1].masked_select(~gone))) << name;
  }
  EXPECT_LE(largest_gone, smallest_left);
}

TEST(Sparsify, OfEachLayerTheSamePart) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  sparsify(checkpoint.model, {.part = 0.5, .global = false});
  const Json report = sparsity_report(checkpoint.model);
  for (const Json& layer : report["layers"]) EXPECT_NEAR(layer["part"].get<double>(), 0.5, 0.01) << layer["name"];
  EXPECT_EQ(report["layers"][0]["name"], "vision_model.embeddings.patch_embedding.weight");
}

TEST(Sparsify, EqualValuesAreCountedToo) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  torch::Tensor weight = layer_weights(*checkpoint.model)[1].second;
  {
    const torch::NoGradGuard no_grad;
    weight.fill_(0.25);
  }
  sparsify(checkpoint.model, {.part = 0.3, .global = false});
  EXPECT_EQ((weight == 0).sum().item<std::int64_t>(), static_cast<std::int64_t>(std::floor(0.3 * static_cast<double>(weight.numel()))));
  EXPECT_EQ(weight.flatten()[0].item<float>(), 0.25f) << "the later go first";
}

TEST(Sparsify, BelowAThreshold) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  const torch::Tensor bias = checkpoint.model->named_parameters()["vision_model.encoder.layers.0.mlp.fc1.bias"];
  const torch::Tensor bias_before = bias.detach().clone();
  sparsify(checkpoint.model, {.threshold = 0.02});
  for (const auto& [name, weight] : layer_weights(*checkpoint.model)) {
    const torch::Tensor size = weight.abs();
    EXPECT_TRUE(((size == 0) | (size >= 0.02)).all().item<bool>()) << name;
  }
  EXPECT_TRUE(torch::equal(bias, bias_before));
}

TEST(Sparsify, WeightsThatAreNoNumbersAreNamed) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  {
    const torch::NoGradGuard no_grad;
    checkpoint.model->named_parameters()["text_model.encoder.layers.1.mlp.fc2.weight"][0][0] = std::nan("");
  }
  const std::string message = invalid_input_of([&] { sparsify(checkpoint.model, {.part = 0.5}); });
  EXPECT_NE(message.find("text_model.encoder.layers.1.mlp.fc2.weight"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
