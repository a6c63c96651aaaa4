#include "train/parameter_groups.h"

#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

TEST(TrainedParameters, VectorsAndScalarsDoNotDecay) {
  const DualEncoder model(test::tiny_clip_config());
  int decayed = 0, kept = 0;
  for (const TrainedParameter& parameter : trained_parameters(*model)) {
    EXPECT_EQ(parameter.decay, parameter.value.dim() >= 2) << parameter.name;
    ++(parameter.decay ? decayed : kept);
    if (parameter.name == "logit_scale" || parameter.name.find("bias") != std::string::npos) {
      EXPECT_FALSE(parameter.decay) << parameter.name;
    }
  }
  EXPECT_GT(decayed, 10);
  EXPECT_GT(kept, 10);
}

TEST(TrainedParameters, FrozenOnesAreLeftOut) {
  DualEncoder model(test::tiny_clip_config());
  model->attach_lora({});
  for (const TrainedParameter& parameter : trained_parameters(*model))
    EXPECT_NE(parameter.name.find("lora_"), std::string::npos) << parameter.name;
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  EXPECT_NE(test::invalid_input_of([&] { trained_parameters(*model); }), "");
}

TEST(ParameterGroups, TheFirstThatNamesAParameterCounts) {
  const DualEncoder model(test::tiny_clip_config());
  std::vector<TrainedParameter> parameters = trained_parameters(*model);
  ParameterGroupOptions heads, biases, layers;
  heads.parameters = {"*_projection"};
  heads.rate = 5;
  biases.parameters = {"re:.*bias"};
  biases.rate = 2;
  biases.weight_decay = 0.01;
  layers.parameters = {"text_model.encoder.layers.0-1"};
  layers.rate = 0.5;
  apply_groups(parameters, {heads, biases, layers}, "optimizer.");
  for (const TrainedParameter& parameter : parameters) {
    const bool bias = parameter.name.size() > 4 && parameter.name.substr(parameter.name.size() - 4) == "bias";
    const bool head =
        parameter.name == "visual_projection.weight" || parameter.name == "text_projection.weight";
    const bool layer = parameter.name.rfind("text_model.encoder.layers.", 0) == 0;
    EXPECT_EQ(parameter.rate, head ? 5 : bias ? 2 : layer ? 0.5 : 1) << parameter.name;
    EXPECT_EQ(parameter.weight_decay.has_value(), bias) << parameter.name;
    if (bias) {
      EXPECT_TRUE(parameter.decay) << parameter.name;
    }
  }
}

TEST(ParameterGroups, APatternThatFitsNothingIsNamed) {
  const DualEncoder model(test::tiny_clip_config());
  std::vector<TrainedParameter> parameters = trained_parameters(*model);
  ParameterGroupOptions group;
  group.parameters = {"vision_model", "vision"};
  const std::string message =
      test::invalid_input_of([&] { apply_groups(parameters, {group}, "optimizer."); });
  EXPECT_NE(message.find("optimizer.groups[0].parameters: \"vision\" fits no"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
