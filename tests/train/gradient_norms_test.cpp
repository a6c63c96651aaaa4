#include "train/gradient_norms.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

TEST(GradientNorms, LayersByName) {
  EXPECT_EQ(layer_of("vision_model.encoder.layers.3.mlp.fc1.weight"), "vision_model.encoder.layers.3");
  EXPECT_EQ(layer_of("vision_model.layer1.0.conv1.weight"), "vision_model.layer1.0");
  EXPECT_EQ(layer_of("text_model.embeddings.token_embedding.weight"), "text_model.embeddings");
  EXPECT_EQ(layer_of("visual_projection.weight"), "visual_projection");
  EXPECT_EQ(layer_of("logit_scale"), "logit_scale");
  EXPECT_EQ(layer_of("objective.identity.weight"), "objective.identity");
}

TEST(GradientNorms, OneOfEachParameterWithAGradient) {
  const auto parameter = [](const char* name, double gradient) {
    torch::Tensor value = torch::ones({4}).requires_grad_(true);
    if (gradient != 0) value.mutable_grad() = torch::full({4}, gradient);
    return TrainedParameter{name, value};
  };
  const auto norms =
      gradient_norms({parameter("v.layers.0.a.weight", 1), parameter("logit_scale", 2),
                      parameter("v.layers.0.b.bias", -3), parameter("v.layers.1.a.weight", 0)});
  EXPECT_EQ(norms, (std::vector<std::pair<std::string, std::vector<double>>>{{"v.layers.0", {2, 6}},
                                                                             {"logit_scale", {4}}}));
}

}  // namespace
}  // namespace edgeclip
