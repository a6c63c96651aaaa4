#include "model/config/lora_options.h"

#include "model/lora/adapter_config.h"
#include "model/lora/name_match.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

TEST(LoraOptions, GaussianInitializationAndZeroB) {
  torch::manual_seed(3);
  ModelConfig config = tiny_config();
  DualEncoder model(config);
  LoraOptions options;
  options.rank = 8;
  options.init = "gaussian";
  options.target_modules = {"all-linear"};
  options.exclude_modules = {"re:text_model\\..*"};
  model->attach_lora(options);
  std::vector<torch::Tensor> all;
  for (const auto& item : model->named_parameters()) {
    EXPECT_FALSE(item.key().find("text_model") == 0 && item.key().find("lora_") != std::string::npos);
    if (item.key().find("lora_A") != std::string::npos) all.push_back(item.value().flatten());
    if (item.key().find("lora_B") != std::string::npos) {
      EXPECT_EQ(item.value().abs().max().item<float>(), 0);
    }
  }
  EXPECT_EQ(all.size(), 2u * 6 + 2);  // the blocks of the image tower, and both projections
  EXPECT_NEAR(torch::cat(all).std().item<double>(), 1.0 / 8, 0.01);
}

TEST(LoraOptions, PeftIsToldWhatPatternsCameTo) {
  LoraOptions options;
  options.target_modules = {"q_proj"};
  options.exclude_modules = {"visual_projection"};
  const std::vector<std::string> found = {"text_model.encoder.layers.0.self_attn.q_proj"};
  Json json = peft_config_of(options, nullptr, found);
  EXPECT_EQ(json["target_modules"], Json({"q_proj"}));
  EXPECT_EQ(json["exclude_modules"], Json({"visual_projection"}));
  options.exclude_modules = {"vision_model.*"};
  json = peft_config_of(options, nullptr, found);
  EXPECT_EQ(json["target_modules"], Json(found));
  EXPECT_TRUE(json["exclude_modules"].is_null());
  options.target_modules = {"text_model.encoder.layers.0-1.self_attn.q_proj"};
  options.exclude_modules = {};
  EXPECT_EQ(peft_config_of(options, nullptr, found)["target_modules"], Json(found));
  EXPECT_TRUE(is_plain_name("layers.10.q_proj") && is_plain_name("a-b"));
  EXPECT_FALSE(is_plain_name("layers.0-8") || is_plain_name("*.bias") || is_plain_name("re:x"));
}

TEST(LoraOptions, NameWhatDoesNotFit) {
  DualEncoder model = tiny_model();
  const auto refusal = [&](const std::function<void(LoraOptions&)>& change) {
    LoraOptions options;
    change(options);
    const std::string message = invalid_input_of([&] { model->attach_lora(options); });
    EXPECT_FALSE(model->has_lora());
    return message;
  };
  const auto expect = [&](const std::function<void(LoraOptions&)>& change, const std::string& part) {
    const std::string message = refusal(change);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect([](auto& o) { o.target_modules = {"q_proj", "key"}; }, "\"key\"");
  expect([](auto& o) { o.target_modules = {"roj"}; }, "\"roj\"");  // names end at a dot
  expect([](auto& o) { o.target_modules = {"qproj"}; }, "did you mean \"q_proj\"");
  expect([](auto& o) { o.target_modules = {"re:.*(q_proj"}; }, "no regular expression");
  expect([](auto& o) { o.target_modules = {"re:q_proj"}; }, "fits no linear layer");
  expect([](auto& o) { o.target_modules = {"all-linear", "q_proj"}; }, "stands alone");
  expect([](auto& o) { o.modules_to_save = {"classifier"}; }, "\"classifier\" fits no module");
  expect([](auto& o) { o.rank_pattern = {{"fc1", 0}}; }, "rank_pattern[\"fc1\"]");
  expect([](auto& o) { o.alpha_pattern = {{"(", 1}}; }, "alpha_pattern");
  expect([](auto& o) { o.dropout = 1; }, "dropout");
  expect([](auto& o) { o.rank = 2000000000; }, "rank: 2000000000 is more than both sides of");
  expect([](auto& o) { o.rank_pattern = {{"nothing", 2}}; }, "\"nothing\" fits no layer");
  expect([](auto& o) { o.exclude_modules = {"nothing"}; }, "\"nothing\" fits no linear layer");
  expect([](auto& o) { o.exclude_modules = {"q_proj", "k_proj", "v_proj", "out_proj"}; }, "leave none");
  expect([](auto& o) { o.target_modules = {"re:([a-z0-9_.]+)+X"}; }, "takes too long");
  ModelConfig config = tiny_config();
  config.vision.model_type = "resnet";
  config.vision.image_height = config.vision.image_width = 32;
  DualEncoder resnet(config);
  LoraOptions options;
  options.modules_to_save = {"layer1"};
  EXPECT_NE(invalid_input_of([&] { resnet->attach_lora(options); }).find("running statistics"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
