#include "train/step_guard.h"

#include <cmath>
#include <limits>

#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(StepGuard, NamesTheWeightOrTheLayerNearestToTheOutput) {
  DualEncoder model(test::tiny_clip_config());
  StepGuard guard(model);
  std::vector<TrainedParameter> parameters = trained_parameters(*model);
  for (TrainedParameter& parameter : parameters) parameter.value.mutable_grad() = torch::zeros_like(parameter.value);
  EXPECT_EQ(guard.damaged_gradient(parameters), "all gradients are finite");
  EXPECT_EQ(guard.damaged_weight(), "");
  for (TrainedParameter& parameter : parameters)
    if (parameter.name.find("vision_model.encoder.layers.0") == 0) parameter.value.mutable_grad().fill_(kNaN);
  const std::string gradient = guard.damaged_gradient(parameters);
  EXPECT_NE(gradient.find("nearest to the output that of vision_model.encoder.layers.0."), std::string::npos) << gradient;
  {
    const torch::NoGradGuard no_graph;
    model->logit_scale.fill_(kNaN);
  }
  EXPECT_EQ(guard.damaged_weight(), "logit_scale");
  EXPECT_EQ(StepGuard::damaged_weight(parameters), "logit_scale");
  parameters.erase(std::remove_if(parameters.begin(), parameters.end(), [](const auto& p) { return p.name == "logit_scale"; }),
                   parameters.end());
  EXPECT_EQ(StepGuard::damaged_weight(parameters), "") << "what does not train is looked at once";
}

TEST(StepGuard, TakesStatisticsAndGradientsBack) {
  ModelConfig config = test::tiny_clip_config();
  config.vision.model_type = "resnet";
  config.vision.depths = {1, 1};
  config.vision.hidden_sizes = {16, 32};
  config.vision.embedding_size = 8;
  DualEncoder model(config);
  model->train();
  StepGuard guard(model);
  std::vector<TrainedParameter> parameters = trained_parameters(*model);
  std::vector<torch::Tensor> before;
  for (const torch::Tensor& buffer : model->buffers()) before.push_back(buffer.clone());
  guard.begin();
  model->encode_image(torch::full({2, 3, 32, 32}, kNaN)).sum().backward();
  bool moved = false;
  for (std::size_t i = 0; i < before.size(); ++i) moved = moved || !torch::equal(before[i], model->buffers()[i]);
  ASSERT_TRUE(moved);
  guard.undo(parameters);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(before[i], model->buffers()[i]));
  for (const TrainedParameter& parameter : parameters) EXPECT_FALSE(parameter.value.grad().defined()) << parameter.name;
}

}  // namespace
}  // namespace edgeclip
