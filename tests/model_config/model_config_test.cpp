#include "model/config/model_config.h"

#include <cmath>

#include "model/config/macs.h"
#include "model/config/token_merging.h"
#include "model/config/tower_kinds.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;

std::string refusal(const std::string& setting) {
  return invalid_input_of([&] {
    ModelConfig config;
    set_option(config, setting);
    config.validate("");
  });
}

TEST(ModelConfig, DefaultsAreValidAndPrintedConfigurationsReadBack) {
  ModelConfig config;
  config.validate("");
  config.vision.intermediate_size = {1, 2, 3, 4, 5, 6};
  config.logit_scale_init = 1.25;
  ModelConfig read;
  options_from_json(options_to_json(config), read, "");
  EXPECT_EQ(options_to_json(read), options_to_json(config));
}

TEST(ModelConfig, IntermediateSizeIsOneNumberOrOnePerLayer) {
  EXPECT_EQ(intermediate_of({768}, 3), 768);
  EXPECT_EQ(intermediate_of({10, 20, 30}, 2), 30);
  EXPECT_NE(refusal("text.intermediate_size=[768,768]").find("one per layer (4)"), std::string::npos);
  EXPECT_NE(refusal("text.intermediate_size=[0]").find("must be positive"), std::string::npos);
}

TEST(ModelConfig, RefusesWhatCannotBeBuilt) {
  EXPECT_NE(refusal("vision.num_attention_heads=5").find("does not divide hidden_size 192"),
            std::string::npos);
  EXPECT_NE(refusal("vision.image_height=100").find("does not divide the image 100x48"), std::string::npos);
  EXPECT_NE(refusal("vision.patch_size=0").find("vision.patch_size"), std::string::npos);
  EXPECT_NE(refusal("projection_dim=-1").find("projection_dim"), std::string::npos);
  EXPECT_NE(refusal("text.max_position_embeddings=1").find("at least 2"), std::string::npos);
  EXPECT_NE(refusal("text.hidden_act=relu").find("hidden_act"), std::string::npos);
}

TEST(ModelConfig, RefusesSizesOfPruningThatDoNotFit) {
  EXPECT_NE(refusal("vision.layer_heads=[3]").find("give one per layer (6)"), std::string::npos);
  EXPECT_NE(refusal("text.layer_heads=[3,3,3,4]").find("layer_heads: must be at most 3, is 4"), std::string::npos);
  EXPECT_NE(refusal("text.layer_heads=[3,3,3,0]").find("layer_heads: must be positive"), std::string::npos);
}

TEST(TokenMergingConfig, IsWrittenWhereItIsUsedAlone) {
  EXPECT_FALSE(options_to_json(ModelConfig())["vision"].contains("token_merging"));
  ModelConfig config;
  set_option(config, "vision.token_merging=[4]");
  set_option(config, "vision.proportional_attention=false");
  config.validate("");
  const Json json = options_to_json(config)["vision"];
  EXPECT_EQ(json["token_merging"], Json({4}));
  EXPECT_EQ(json["proportional_attention"], false);
}

TEST(TokenMergingConfig, SaysHowManyTokensEachLayerHas) {
  VisionConfig config;  // 12 x 6 patches and the class token, 6 layers
  EXPECT_FALSE(merges_tokens(config));
  EXPECT_EQ(tokens_of_layers(config), (std::vector<int>{73, 73, 73, 73, 73, 73, 73}));
  config.token_merging = {10};
  EXPECT_TRUE(merges_tokens(config));
  EXPECT_EQ(tokens_of_layers(config), (std::vector<int>{73, 63, 53, 43, 33, 23, 23}));  // nobody reads the last rows
  config.pooling = "mean";
  EXPECT_EQ(tokens_of_layers(config), (std::vector<int>{73, 63, 53, 43, 33, 23, 13}));
  config.token_merging = {0, 36, 0, 1, 0, 0};
  EXPECT_EQ(tokens_of_layers(config), (std::vector<int>{73, 73, 37, 37, 36, 36, 36}));
  config.token_merging = {0};
  EXPECT_FALSE(merges_tokens(config));
  config.token_merging = {4};
  config.model_type = "resnet";
  EXPECT_FALSE(merges_tokens(config));
}

TEST(TokenMergingConfig, RefusesWhatLeavesTooFewTokens) {
  ModelConfig most;
  most.vision.token_merging = {12};
  EXPECT_NO_THROW(most.validate(""));
  EXPECT_NE(refusal("vision.token_merging=[37]").find("vision.token_merging: layer 0 has 73 tokens, of which at most 36 can be "
                                                      "merged, not 37; merge fewer"),
            std::string::npos);
  EXPECT_NE(refusal("vision.token_merging=[20]").find("layer 2 has 33 tokens, of which at most 16"), std::string::npos);
  EXPECT_NE(refusal("vision.token_merging=[-1]").find("must not be negative"), std::string::npos);
  EXPECT_NE(refusal("vision.token_merging=[4,4]").find("has 2 numbers; give one, or one per layer (6)"), std::string::npos);
}

TEST(TokenBudget, IsTheLeastNumberThatKeepsToIt) {
  ModelConfig config;
  const auto macs = [&](int merged) {
    ModelConfig tried = config;
    tried.vision.token_merging = {merged};
    return static_cast<double>(vit_macs(tried));
  };
  for (const char* pooling : {"class", "mean"}) {
    config.vision.pooling = pooling;
    for (const double budget : {0.99, 0.8, 0.6, 0.58}) {
      const int merged = merging_for_budget(config, budget, "it");
      ASSERT_GT(merged, 0);
      EXPECT_LE(macs(merged), budget * macs(0)) << pooling << ", " << budget;
      EXPECT_GT(macs(merged - 1), budget * macs(0)) << pooling << ", " << budget;
      config.vision.token_merging = {5};  // what is merged already does not count
      EXPECT_EQ(merging_for_budget(config, budget, "it"), merged);
      EXPECT_EQ(merging_for_budget(config, macs(merged) / macs(0), "it"), merged);  // the whole of it may be used
    }
    EXPECT_EQ(merging_for_budget(config, 1, "it"), 0);
  }
}

TEST(TokenBudget, IsRefusedWhereItCannotBe) {
  ModelConfig config;
  const auto refused = [&](const std::vector<int>& merged, double budget) {
    ModelConfig tried = config;
    return invalid_input_of([&] { choose_token_merging(tried, merged, budget, "a model"); });
  };
  for (const double budget : {-0.5, 1.01, std::nan("")})
    EXPECT_NE(refused({}, budget).find("is no part of the image tower's multiply-accumulates; give a number above 0 and at most 1"),
              std::string::npos);
  EXPECT_NE(refused({4}, 0.5).find("--token-budget: --token-merging says how many tokens are merged; leave one of them out"),
            std::string::npos);

  const std::string message = refused({}, 0.1);
  EXPECT_NE(message.find("--token-budget 0.1: a model can merge at most 12 tokens in every layer, which leaves 0."), std::string::npos)
      << message;
  const std::size_t at = message.find("leaves 0.");
  const double least = std::stod(message.substr(at + 7));
  ModelConfig reached = config;
  EXPECT_NO_THROW(choose_token_merging(reached, {}, least, "a model")) << "what the message says";
  EXPECT_EQ(reached.vision.token_merging, std::vector<int>{12});
  EXPECT_NE(refused({}, least - 0.0002), "");

  config.vision.num_hidden_layers = 1;  // which pools its class token: nothing can be merged
  EXPECT_NE(refused({}, 0.9).find("at most 0 tokens in every layer, which leaves 1.0000 of"), std::string::npos);
  config.vision.patch_size = 0;
  EXPECT_NE(refused({}, 0.9).find("a model: model.vision.patch_size"), std::string::npos);
  config = {};
  config.vision.model_type = "resnet";
  EXPECT_NE(refused({}, 0.5).find("--token-budget: the image tower of a model is a resnet, and a vit alone has tokens"), std::string::npos);
}

/// What the field "model_type" may be.
struct ModelTypes {
  std::vector<std::string> names;
  template <class T>
  void operator()(const char* key, T&, const char*, Choices choices = {}) {
    if (std::string(key) == "model_type") names.assign(choices.begin(), choices.end());
  }
  template <class T>
  void unless(const T&, const char*, T&, const char*) {}
};

TEST(TowerKinds, AreThoseThatAConfigurationMayName) {
  ModelTypes vision, text;
  VisionConfig().fields(vision);
  TextConfig().fields(text);
  EXPECT_EQ(vision.names, vision_kind_names());
  EXPECT_EQ(text.names, text_kind_names());
}

TEST(ModelConfig, KeysFollowTheModelType) {
  EXPECT_EQ(refusal("vision.model_type=vits").find("vit") == std::string::npos, false);
  EXPECT_NE(refusal("vision.depths=[1]").find("unknown key"), std::string::npos);
  ModelConfig config;
  set_option(config, "vision.model_type=resnet");
  set_option(config, "vision.depths=[1,2]");
  EXPECT_NE(invalid_input_of([&] { config.validate(""); }).find("one of each per stage"), std::string::npos);
  set_option(config, "vision.hidden_sizes=[16,30]");
  EXPECT_NE(invalid_input_of([&] { config.validate(""); }).find("30 is no multiple of 4"), std::string::npos);
  set_option(config, "vision.hidden_sizes=[16,32]");
  EXPECT_NE(
      invalid_input_of([config]() mutable { set_option(config, "vision.patch_size=8"); }).find("patch_size"),
      std::string::npos);
  set_option(config, "text.model_type=distilbert");
  set_option(config, "text.pooling=mean");
  EXPECT_NE(invalid_input_of([config]() mutable {
              set_option(config, "text.pooling=first_end");
            }).find("first_end"),
            std::string::npos);
  EXPECT_NE(
      invalid_input_of([config]() mutable { set_option(config, "text.hidden_act=gelu"); }).find("hidden_act"),
      std::string::npos);
  EXPECT_NE(invalid_input_of([config]() mutable {
              set_option(config, "text.pad_token_id=3");
              config.validate("");
            }).find("pad_token_id: 3"),
            std::string::npos);
  set_option(config, "visual_projection.model_type=mlp");
  set_option(config, "visual_projection.hidden_act=relu");
  config.validate("");
  EXPECT_EQ(config.vision.width(), 32);
  ModelConfig read;
  options_from_json(options_to_json(config), read, "");
  EXPECT_EQ(options_to_json(read), options_to_json(config));
  EXPECT_EQ(read.text.mask_pooling, "mean");
}

TEST(ModelConfig, SizesOfNoModelAreSlips) {
  for (const char* setting :
       {"vision.num_hidden_layers=2000000000", "vision.hidden_size=1048576", "vision.image_height=65536",
        "text.vocab_size=2147483647", "projection_dim=100000", "text.max_position_embeddings=1000000"})
    EXPECT_NE(refusal(setting).find("at most"), std::string::npos) << setting;
}

TEST(LeastWeightBytes, AreBelowWhatKnownModelsTake) {
  ModelConfig config;
  config.vision.model_type = "resnet";
  config.vision.image_height = config.vision.image_width = 224;
  config.text.vocab_size = 1;
  config.text.num_hidden_layers = 1;
  config.text.hidden_size = 3;
  config.text.intermediate_size = {1};
  config.projection_dim = 1;
  EXPECT_LE(least_weight_bytes(config), 4 * 23508032.0 + 10000);  // ResNet-50 without its classifier
  EXPECT_GE(least_weight_bytes(config), 4 * 23400000.0);
}

}  // namespace
}  // namespace edgeclip
