#include "model/import/import.h"
#include "model/import/source.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

Json open_clip_config() {
  return {{"embed_dim", 32},
          {"quick_gelu", true},
          {"vision_cfg",
           {{"image_size", 32},
            {"layers", 2},
            {"width", 64},
            {"head_width", 16},
            {"mlp_ratio", 2.0},
            {"patch_size", 8}}},
          {"text_cfg",
           {{"context_length", 16},
            {"vocab_size", 512},
            {"width", 48},
            {"heads", 4},
            {"layers", 2},
            {"mlp_ratio", 2.0}}}};
}

ImportedModel describe_open_clip(const Json& config) {
  return open_clip_source().describe(Weights(), config, "c.json");
}

TEST(OpenClip, ConfigurationsOfOtherTowersAreRefused) {
  EXPECT_EQ(describe_open_clip(open_clip_config()).config.text.end_pooling, "largest_id");
  const std::pair<const char*, std::pair<const char*, Json>> cases[] = {
      {"vision_cfg", {"attentional_pool", true}},    {"vision_cfg", {"pool_type", "none"}},
      {"vision_cfg", {"final_ln_after_pool", true}}, {"text_cfg", {"pool_type", "last"}},
      {"text_cfg", {"no_causal_mask", true}},        {"text_cfg", {"norm_kwargs", {{"eps", 1e-6}}}}};
  for (const auto& [tower, option] : cases) {
    Json config = open_clip_config();
    config[tower][option.first] = option.second;
    const std::string message = invalid_input_of([&, config = config] { describe_open_clip(config); });
    EXPECT_NE(message.find(option.first), std::string::npos) << message;
  }
  Json config = open_clip_config();
  config["vision_cfg"]["pool_type"] = "avg";
  config["text_cfg"]["norm_kwargs"] = Json::object();
  EXPECT_EQ(describe_open_clip(config).config.vision.pooling, "mean");
}

TEST(OpenClip, PreprocessingOfTheConfiguration) {
  Json config = {{"model_cfg", open_clip_config()},
                 {"preprocess_cfg",
                  {{"mean", {0.5, 0.5, 0.5}}, {"interpolation", "bilinear"}, {"resize_mode", "squash"}}}};
  const ImageTransform image = describe_open_clip(config).image;
  EXPECT_EQ(image.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  EXPECT_EQ(image.std, ImageTransform().std);
  EXPECT_EQ(image.filter, "bilinear");
  EXPECT_EQ(image.resize, "stretch");
  config["preprocess_cfg"]["resize_mode"] = "longest";
  EXPECT_NE(invalid_input_of([&] { describe_open_clip(config); }).find("longest"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
