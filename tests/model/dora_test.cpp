#include "model/lora/dora.h"

#include "model/lora/adapter_file.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

DualEncoder dora_model() {
  DualEncoder model = tiny_model();
  model->adapters.add("default", read_adapter(*model, golden("adapters/dora")));
  return model;
}

TEST(Dora, MergesAsPeftDoes) {
  DualEncoder model = dora_model();
  model->merge_lora();
  const SafetensorsFile merged(golden("adapters/dora.merged.safetensors"));
  EXPECT_EQ(merged.names().size(), 13u);
  const auto parameters = model->named_parameters();
  for (const auto& name : merged.names())
    EXPECT_LE(max_difference(parameters[name], tensor_of(merged, name)), 1e-6) << name;
}

TEST(Dora, TrainsAsPeftDoes) {
  const SafetensorsFile expected(golden("adapters/dora.steps.safetensors"));
  const torch::Tensor losses = tensor_of(expected, "losses");
  DualEncoder model = dora_model();
  std::vector<torch::Tensor> trained;
  for (auto& parameter : model->parameters())
    if (parameter.requires_grad()) trained.push_back(parameter);
  torch::optim::SGD sgd(trained, torch::optim::SGDOptions(0.1).momentum(0.9));
  for (int step = 0; step < losses.numel(); ++step) {
    sgd.zero_grad();
    const torch::Tensor loss = contrastive_loss(model);
    EXPECT_NEAR(loss.item<double>(), losses[step].item<double>(), 2e-5) << step;
    loss.backward();
    sgd.step();
  }
  const TempDir out;
  write_adapter(model->adapters.adapter(), out.path());
  const SafetensorsFile after(out / "adapter_model.safetensors");
  EXPECT_EQ(after.names().size() + 1, expected.names().size());
  for (const auto& name : after.names())
    EXPECT_LE(max_difference(tensor_of(after, name), tensor_of(expected, name)), 2e-5) << name;
}

TEST(Dora, StartsAsTheBase) {
  DualEncoder model = tiny_model();
  const torch::NoGradGuard no_grad;
  const torch::Tensor before = model->encode_image(tiny_pixels());
  LoraOptions options;
  options.dora = true;
  model->attach_lora(options);
  EXPECT_LE(max_difference(model->encode_image(tiny_pixels()), before), 1e-6);
  EXPECT_EQ(model->named_parameters()["visual_projection.weight"].dim(), 2);
}

LoraPair dora_pair() {
  torch::manual_seed(4);
  return {torch::randn({2, 5}), torch::randn({4, 2}), 0.5, 0, torch::rand({4}) + 0.5};
}

TEST(Dora, AWeightOfZerosStays) {
  LoraPair pair = dora_pair();
  pair.B.zero_();
  torch::Tensor weight = torch::randn({4, 5});
  weight[2].zero_();
  pair.magnitude = row_lengths(weight);
  EXPECT_LE(max_difference(merged_weight(weight, pair), weight), 1e-6);
  const torch::Tensor x = torch::randn({3, 5});
  EXPECT_LE(max_difference(dora_linear(x, x, weight, {}, pair, ComputeType::f32), torch::linear(x, weight)), 1e-5);
}

TEST(Dora, DropsWhatTheMagnitudeAddsToo) {
  const LoraPair pair = dora_pair();
  const torch::Tensor weight = torch::randn({4, 5}), bias = torch::randn({4}), x = torch::randn({3, 5}),
                      dropped = x * (torch::rand({3, 5}) > 0.5) * 2;
  const torch::Tensor sum = weight + pair.scale * torch::matmul(pair.B, pair.A);
  const torch::Tensor factor = pair.magnitude / sum.norm(2, 1);
  // PEFT: base(x) + (factor - 1) * base(dropped) + factor * B A dropped * scale.
  const torch::Tensor wanted = torch::linear(x, weight, bias) + torch::linear(dropped, weight) * (factor - 1) +
                               torch::linear(dropped, torch::matmul(pair.B, pair.A)) * pair.scale * factor;
  EXPECT_LE(max_difference(dora_linear(x, dropped, weight, bias, pair, ComputeType::f32), wanted), 1e-5);
}

TEST(Dora, RoundsTheProductsAlone) {
  const LoraPair pair = dora_pair();
  const torch::Tensor weight = torch::randn({4, 5}), bias = torch::randn({4}), x = torch::randn({3, 5});
  const torch::Tensor exact = dora_linear(x, x, weight, bias, pair, ComputeType::f32),
                      narrow = dora_linear(x, x, weight, bias, pair, ComputeType::bf16);
  EXPECT_EQ(narrow.scalar_type(), torch::kBFloat16);
  EXPECT_LE(max_difference(narrow.to(torch::kFloat), exact), 0.02 * exact.abs().max().item<double>());
  const torch::Tensor stored = weight.to(torch::kBFloat16);  // a frozen base
  EXPECT_LE(max_difference(dora_linear(x, x, stored, bias, pair, ComputeType::f32),
                           dora_linear(x, x, stored.to(torch::kFloat), bias, pair, ComputeType::f32)),
            1e-6);
}

}  // namespace
}  // namespace edgeclip
