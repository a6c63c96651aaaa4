#include "model/dual_encoder.h"

#include <cmath>

#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

TEST(DualEncoder, ComputesWhatHuggingFaceComputes) {
  DualEncoder model = tiny_model();
  expect_outputs(model, golden("tiny_clip/outputs.safetensors"), 1e-5);
}

TEST(DualEncoder, AcceptsEveryBatchAndTokenCountUpToTheContext) {
  DualEncoder model = tiny_model();
  const torch::NoGradGuard no_grad;
  const torch::Tensor all = model->encode_image(tiny_pixels());
  for (const int batch : {0, 1, 3}) {
    const torch::Tensor some = model->encode_image(tiny_pixels().slice(0, 0, batch));
    EXPECT_EQ(some.size(0), batch);
    EXPECT_LE(max_difference(some, all.slice(0, 0, batch)), 1e-6);
    EXPECT_EQ(model->encode_text(tiny_ids().slice(0, 0, batch)).size(0), batch);
  }
  // The end token is the last one seen: what follows it is hidden by the causal mask.
  const torch::Tensor row = torch::tensor({510, 7, 8, 511, 0, 0, 0}, torch::kLong).view({1, 7});
  EXPECT_LE(max_difference(model->encode_text(row), model->encode_text(row.slice(1, 0, 4))), 1e-6);
  const torch::Tensor twice = torch::tensor({510, 7, 8, 511, 511, 511}, torch::kLong).view({1, 6});
  EXPECT_LE(max_difference(model->encode_text(row), model->encode_text(twice)), 1e-6);
}

TEST(DualEncoder, RefusesInputsOfOtherShapesAndForeignTokens) {
  DualEncoder model = tiny_model();
  EXPECT_NE(invalid_input_of([&] {
              model->encode_image(torch::zeros({1, 3, 32, 16}));
            }).find("(batch, 3, 32, 32)"),
            std::string::npos);
  EXPECT_NE(invalid_input_of([&] {
              model->encode_text(torch::zeros({1, 17}, torch::kLong));
            }).find("1 to 16"),
            std::string::npos);
  EXPECT_NE(invalid_input_of([&] {
              model->encode_text(torch::full({1, 4}, 512, torch::kLong));
            }).find("token id 512"),
            std::string::npos);
  EXPECT_NE(invalid_input_of([&] {
              model->encode_text(torch::full({1, 4}, -1, torch::kLong));
            }).find("token id -1"),
            std::string::npos);
}

TEST(DualEncoder, RefusesAConfigurationThatCannotBe) {
  ModelConfig config = tiny_config();
  config.text.num_attention_heads = 5;
  EXPECT_NE(invalid_input_of([&] { DualEncoder model(config); }).find("text.num_attention_heads"),
            std::string::npos);
}

TEST(DualEncoder, IsInitializedAsHuggingFaceDoes) {
  ModelConfig config;
  config.text.intermediate_size = {100, 200, 300, 400};
  DualEncoder model(config), again(config);
  torch::manual_seed(3);
  initialize_weights(model);
  torch::manual_seed(3);
  initialize_weights(again);
  const auto parameters = model->named_parameters(), others = again->named_parameters();
  const auto expect_std = [&](const std::string& name, double std) {
    EXPECT_NEAR(parameters[name].std().item<double>(), std, 0.05 * std) << name;
  };
  expect_std("vision_model.embeddings.patch_embedding.weight", 0.02);
  expect_std("vision_model.encoder.layers.0.self_attn.q_proj.weight",
             std::pow(192, -0.5) * std::pow(12, -0.5));
  expect_std("vision_model.encoder.layers.5.self_attn.out_proj.weight", std::pow(192, -0.5));
  expect_std("vision_model.encoder.layers.0.mlp.fc1.weight", std::pow(2 * 192, -0.5));
  expect_std("text_model.encoder.layers.3.mlp.fc2.weight", std::pow(192, -0.5) * std::pow(8, -0.5));
  expect_std("text_model.embeddings.token_embedding.weight", 0.02);
  expect_std("text_projection.weight", std::pow(192, -0.5));
  EXPECT_NEAR(model->logit_scale.item<double>(), 2.6592, 1e-6);
  for (const auto& item : parameters) {
    EXPECT_TRUE(torch::equal(item.value(), others[item.key()])) << item.key();
    if (item.key().size() > 5 && item.key().rfind(".bias") == item.key().size() - 5) {
      EXPECT_EQ(item.value().abs().max().item<double>(), 0) << item.key();
    }
  }
  EXPECT_EQ(parameters["text_model.encoder.layers.2.mlp.fc1.weight"].size(0), 300);
}

TEST(DualEncoder, LoraFreezesTheBaseAndNamesAnUnknownTarget) {
  DualEncoder model = tiny_model();
  const torch::Tensor before = model->encode_image(tiny_pixels()).detach();
  LoraOptions options;
  options.rank = 4;
  model->attach_lora(options);
  EXPECT_LE(max_difference(before, model->encode_image(tiny_pixels()).detach()), 0);  // B is zero
  int trainable = 0;
  for (const auto& item : model->named_parameters()) {
    const bool adapter = item.key().find(".lora_") != std::string::npos;
    EXPECT_EQ(item.value().requires_grad(), adapter) << item.key();
    trainable += adapter;
  }
  EXPECT_EQ(trainable, 4 * 4 * 2);  // layers x projections x (A, B)
  model->merge_lora();
  EXPECT_FALSE(model->has_lora());
  for (const auto& item : model->named_parameters()) EXPECT_TRUE(item.value().requires_grad()) << item.key();

  DualEncoder other = tiny_model();
  options.target_modules = {"q_proj", "key"};
  EXPECT_NE(invalid_input_of([&] { other->attach_lora(options); }).find("\"key\""), std::string::npos);
  EXPECT_FALSE(other->has_lora());
  options.target_modules = {"roj"};  // names end at a dot
  EXPECT_NE(invalid_input_of([&] { other->attach_lora(options); }).find("\"roj\""), std::string::npos);
}

TEST(DualEncoder, GradientsOfAllParametersAreThoseOfHuggingFace) {
  const SafetensorsFile expected(golden("tiny_clip/grads_full.safetensors"));
  DualEncoder model = tiny_model();
  contrastive_loss(model).backward();
  const auto parameters = model->named_parameters();
  EXPECT_EQ(parameters.size(), expected.names().size());
  for (const auto& name : expected.names()) {
    const torch::Tensor* parameter = parameters.find(name);
    ASSERT_TRUE(parameter) << name;
    const torch::Tensor wanted = from_tensor(expected.get(name).view());
    const double tolerance = 1e-5 + 1e-4 * wanted.abs().max().item<double>();
    ASSERT_TRUE(parameter->grad().defined()) << name;
    EXPECT_LE(max_difference(parameter->grad(), wanted), tolerance) << name;
  }
}

}  // namespace
}  // namespace edgeclip
