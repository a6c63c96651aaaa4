#include "model/config/model_config.h"

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

}  // namespace
}  // namespace edgeclip
