#include "train/gradient_step.h"

#include "model/freeze.h"
#include "train/parameter_groups.h"
#include "train/start.h"
#include "train/tiny_clip.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

/// A batch of 8 of the tiny dataset, and its gradient by parts of any size.
class GradientStepTest : public test::TinyTraining {
 protected:
  GradientStepTest() : dataset_(open_dataset(at("data"))) {
    LoaderOptions options;
    options.batch = 8;
    options.second_view = true;
    options.augment.color_jitter.brightness = 0.4;
    options_.image.height = 32;
    options_.image.width = 16;
    Loader loader(dataset_, options_.image, options);
    loader.start_epoch(0);
    batch_ = *loader.next();
    losses_.sdm.weight = 0.5;
    losses_.identity.weight = 0.3;
    losses_.triplet_alignment.weight = losses_.reversed_contrastive.weight = losses_.cyclic.weight = 0.5;
    losses_.self_supervision.weight = 0.2;
  }
  struct Result {
    double total = 0;
    std::vector<std::pair<std::string, torch::Tensor>> gradients;
  };
  Result gradient(int micro_batch, bool bf16 = false, bool recompute = false) {
    torch::manual_seed(5);
    Checkpoint checkpoint = new_checkpoint(options_, dataset_);
    checkpoint.model->train();
    checkpoint.model->recompute_blocks(recompute);
    Objective objective(losses_, LossContext{checkpoint, dataset_, "train"});
    GradientStep step(checkpoint.model, objective, bf16, micro_batch, alone_);
    Result result;
    result.total = step(batch_).total.item<double>();
    for (const TrainedParameter& parameter : trained_parameters(*checkpoint.model, *objective))
      result.gradients.emplace_back(parameter.name, parameter.value.grad());
    return result;
  }
  static void expect_same(const Result& a, const Result& b, double relative) {
    EXPECT_NEAR(a.total, b.total, relative * std::abs(a.total));
    ASSERT_EQ(a.gradients.size(), b.gradients.size());
    for (std::size_t i = 0; i < a.gradients.size(); ++i) {
      const auto& [name, x] = a.gradients[i];
      const torch::Tensor& y = b.gradients[i].second;
      ASSERT_EQ(x.defined(), y.defined()) << name;
      if (!x.defined()) continue;
      EXPECT_LE((x - y).abs().max().item<double>(), relative * (0.5 + x.abs().max().item<double>())) << name;
    }
  }

  Dataset dataset_;
  TrainOptions options_ = test::tiny_train_options();
  ObjectiveOptions losses_;
  Batch batch_;
  Ranks alone_;
};

TEST_F(GradientStepTest, PartsGiveTheGradientOfTheWholeBatch) {
  const Result whole = gradient(0);
  for (const int micro_batch : {1, 2, 3, 8}) {
    SCOPED_TRACE(micro_batch);
    expect_same(whole, gradient(micro_batch), 1e-5);
  }
  expect_same(whole, gradient(3, /*bf16=*/false, /*recompute=*/true), 1e-5);
  // bf16 rounds each row alike, whatever is beside it; sums over rows are rounded elsewhere.
  const Result bf16 = gradient(0, /*bf16=*/true), in_parts = gradient(4, /*bf16=*/true);
  for (std::size_t i = 0; i < bf16.gradients.size(); ++i) {
    const auto& [name, x] = bf16.gradients[i];
    if (name.find("k_proj.bias") != std::string::npos) continue;  // mathematically zero
    EXPECT_LE((x - in_parts.gradients[i].second).norm().item<double>(), 5e-2 * x.norm().item<double>()) << name;
  }
}

TEST_F(GradientStepTest, DropoutDrawsTheSameInBothPasses) {
  options_.model.visual_projection.model_type = options_.model.text_projection.model_type = "mlp";
  options_.model.visual_projection.dropout = options_.model.text_projection.dropout = 0.5;
  losses_.identity.weight = 0;
  losses_.contrastive.weight = 1;
  // Seeded anew, parts of one size give the same gradient; a second pass with draws of its own would still do so, but
  // not a gradient that a small step along it makes the loss smaller by.
  const Result first = gradient(4), second = gradient(4);
  expect_same(first, second, 1e-7);
  torch::manual_seed(5);
  Checkpoint checkpoint = new_checkpoint(options_, dataset_);
  checkpoint.model->train();
  Objective objective(losses_, LossContext{checkpoint, dataset_, "train"});
  GradientStep step(checkpoint.model, objective, /*bf16=*/false, 4, alone_);
  const auto loss = [&] {
    torch::manual_seed(6);
    return step(batch_).total.item<double>();
  };
  const double before = loss();
  double squared = 0;
  std::vector<torch::Tensor> directions;
  for (const torch::Tensor& p : checkpoint.model->parameters()) {
    directions.push_back(p.grad().defined() ? p.grad().clone() : torch::zeros_like(p));
    squared += directions.back().pow(2).sum().item<double>();
  }
  const double rate = 1e-4 / std::sqrt(squared);
  {
    const torch::NoGradGuard no_graph;
    std::size_t i = 0;
    for (torch::Tensor& p : checkpoint.model->parameters()) p.sub_(directions[i++], rate);
  }
  EXPECT_NEAR((before - loss()) / (rate * squared), 1, 0.1);
}

TEST_F(GradientStepTest, RefusesABatchNormThatTrains) {
  VisionConfig& vision = options_.model.vision;
  vision.model_type = "resnet";
  vision.depths = {1, 1};
  vision.hidden_sizes = {16, 32};
  vision.embedding_size = 8;
  Checkpoint checkpoint = new_checkpoint(options_, dataset_);
  checkpoint.model->train();
  Objective objective(ObjectiveOptions{}, LossContext{checkpoint, dataset_, "train"});
  const std::string message =
      test::invalid_input_of([&] { GradientStep(checkpoint.model, objective, /*bf16=*/false, 4, alone_); });
  EXPECT_NE(message.find("micro_batch: vision_model."), std::string::npos) << message;
  freeze_parameters(*checkpoint.model, {"vision_model"}, "freeze");
  EXPECT_NO_THROW(GradientStep(checkpoint.model, objective, /*bf16=*/false, 4, alone_));
}

/// The gradients of Hugging Face's model on the golden batch, in chunks of 2.
TEST(GradientStepGolden, InChunksOfTwo) {
  EDGECLIP_REQUIRE_PARITY(folder, "tiny_clip");
  Checkpoint checkpoint;
  checkpoint.config = test::tiny_clip_config();
  checkpoint.model = DualEncoder(checkpoint.config);
  load_weights(checkpoint.model, folder / "hf/model.safetensors");
  ObjectiveOptions losses;
  losses.contrastive.identity_targets = false;
  const Dataset none;
  Objective objective(losses, LossContext{checkpoint, none, "train"});
  Ranks alone;
  GradientStep step(checkpoint.model, objective, /*bf16=*/false, 2, alone);
  step(test::tiny_clip_batch(folder, 0));
  const SafetensorsFile golden(folder / "grads_full.safetensors");
  int compared = 0;
  for (const auto& item : checkpoint.model->named_parameters()) {
    if (!golden.contains(item.key())) continue;
    const torch::Tensor expected = from_tensor(golden.get(item.key()).view());
    EXPECT_LE((item.value().grad() - expected).abs().max().item<double>(),
              1e-5 + 1e-4 * expected.abs().max().item<double>())
        << item.key();
    ++compared;
  }
  EXPECT_EQ(compared, static_cast<int>(checkpoint.model->parameters().size()));
}

}  // namespace
}  // namespace edgeclip
