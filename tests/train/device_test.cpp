#include "train/device.h"

#include <cmath>

#include "model/quantization/fake_quantization.h"
#include "support/other_device.h"
#include "train/checkpoint_encoder.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

/// A model, an objective of all losses and a batch, here and elsewhere.
class DeviceTest : public test::TinyTraining {
 protected:
  struct Training {
    Checkpoint checkpoint;
    Objective objective{nullptr};
    Inputs inputs;
  };

  Training training_on(const torch::Device& device, TrainOptions options) {
    Dataset dataset = open_dataset(at("data"));
    torch::manual_seed(5);
    Training training;
    training.checkpoint = new_checkpoint(options, dataset);
    adopt_tokenizer(dataset, training.checkpoint);
    if (!std::filesystem::exists(at("teacher"))) save_checkpoint(at("teacher"), training.checkpoint);
    ObjectiveOptions& losses = options.losses;
    losses.sdm.weight = losses.identity.weight = losses.reversed_contrastive.weight = losses.cyclic.weight =
        losses.triplet_alignment.weight = losses.self_supervision.weight = 1;
    if (options.model.vision.model_type != "resnet") {
      losses.distillation.weight = losses.distillation.embeddings.weight = losses.distillation.hidden.weight = 1;
      losses.distillation.teacher = at("teacher").string();
    }
    training.checkpoint.model->to(device);
    training.objective = Objective(options.losses, LossContext{training.checkpoint, dataset, "train"});
    training.objective->to(device);
    LoaderOptions loading;
    loading.batch = 8;
    loading.second_view = true;
    loading.augment.color_jitter.brightness = 0.4;
    Loader loader(dataset, training.checkpoint.card.image, loading);
    loader.start_epoch(0);
    training.inputs = inputs_of(*loader.next(), device);
    return training;
  }
  /// A step; returns the loss.
  static double step(Training& training, bool bf16 = false) {
    torch::manual_seed(6);  // of dropout
    AdamW optimizer(trained_parameters(*training.checkpoint.model, *training.objective), OptimizerOptions());
    const ObjectiveValue value =
        training.objective->forward(training.objective->features(training.checkpoint.model, training.inputs, bf16));
    value.total.backward();
    optimizer.step(1e-3, clip_scale(optimizer.gradient_norm(), 1));
    return value.total.item<double>();
  }
  static TrainOptions adapter_on_bf16() {
    TrainOptions options = test::tiny_train_options();
    options.lora_mode = "adapter";
    options.base_type = "bf16";
    options.lora.rank = 2;
    return options;
  }
  static TrainOptions resnet_and_distilbert() {
    TrainOptions options = test::tiny_train_options();
    options.model.vision.model_type = "resnet";
    options.model.vision.depths = {1, 1};
    options.model.vision.hidden_sizes = {16, 32};
    options.model.vision.embedding_size = 8;
    options.model.text.model_type = "distilbert";
    // Which numbers fall on a token depends on the rows before it, and captions are padded on another device alone.
    options.model.text.dropout = options.model.text.attention_dropout = 0;
    options.model.visual_projection.model_type = options.model.text_projection.model_type = "mlp";
    return options;
  }
};

TEST(OtherDevice, SeesWhatIsMadeOnTheCpuAndRefusesIt) {
  const torch::Tensor there = torch::arange(6, torch::TensorOptions(torch::kInt64).device(test::kOtherDevice)).view({2, 3});
  const test::CpuTensors made;
  EXPECT_EQ((there * 2).sum().item<std::int64_t>(), 30);
  EXPECT_EQ(made.made_by(), "");
  const torch::Tensor here = torch::arange(3);
  EXPECT_NE(made.made_by().find("arange"), std::string::npos);
  EXPECT_THROW(there + here, c10::Error);
}

TEST_F(DeviceTest, AStepStaysWhereTheModelIs) {
  for (const TrainOptions& options : {test::tiny_train_options(), adapter_on_bf16(), resnet_and_distilbert()}) {
    SCOPED_TRACE(options.model.vision.model_type + " " + options.lora_mode);
    Training here = training_on(torch::kCPU, options), there = training_on(test::kOtherDevice, options);
    const double loss = step(here);
    double same = 0;
    {
      const test::CpuTensors made;
      same = step(there);
      EXPECT_EQ(made.made_by(), "");
    }
    EXPECT_NEAR(same, loss, 1e-5 * loss);
    const auto stepped = there.checkpoint.model->named_parameters();
    for (const auto& item : here.checkpoint.model->named_parameters()) {
      ASSERT_EQ(stepped[item.key()].device(), test::kOtherDevice) << item.key();
      if (!item.value().requires_grad()) continue;
      const torch::Tensor gradient = item.value().grad(), same_gradient = stepped[item.key()].grad().to(torch::kCPU);
      EXPECT_LE((same_gradient - gradient).abs().max().item<double>(), 1e-6 + 1e-4 * gradient.abs().max().item<double>())
          << item.key();
    }
  }
}

TEST_F(DeviceTest, SoDoesOneThatRoundsAsInt8) {
  for (const TrainOptions& options : {test::tiny_train_options(), resnet_and_distilbert()}) {
    SCOPED_TRACE(options.model.vision.model_type);
    Training there = training_on(test::kOtherDevice, options);
    FakeQuantization layers(there.checkpoint.model, 8, {"visual_projection", "text_projection"}, "exclude");
    layers.observe(true);
    there.objective->features(there.checkpoint.model, there.inputs, /*bf16=*/false);
    layers.observe(false);
    layers.move(layers.seen(), 0.9);
    layers.round(true);
    const test::CpuTensors made;
    EXPECT_TRUE(std::isfinite(step(there)));
    EXPECT_EQ(made.made_by(), "");
  }
}

TEST_F(DeviceTest, SoDoesOneInBf16) {
  for (const TrainOptions& options : {test::tiny_train_options(), adapter_on_bf16(), resnet_and_distilbert()}) {
    SCOPED_TRACE(options.model.vision.model_type + " " + options.lora_mode);
    Training there = training_on(test::kOtherDevice, options);
    const test::CpuTensors made;
    EXPECT_TRUE(std::isfinite(step(there, /*bf16=*/true)));
    EXPECT_EQ(made.made_by(), "");
  }
}

TEST_F(DeviceTest, WhatTrainedElsewhereEncodesAndIsSaved) {
  Training there = training_on(test::kOtherDevice, test::tiny_train_options());
  CheckpointEncoder encoder(there.checkpoint);
  const Tensor pixels = to_tensor(there.inputs.pixels);
  const torch::Tensor rows = from_tensor(encoder.encode_images(pixels.view()).view());
  save_checkpoint(at("elsewhere"), there.checkpoint);
  CheckpointEncoder loaded(load_checkpoint(at("elsewhere")));
  EXPECT_LE((from_tensor(loaded.encode_images(pixels.view()).view()) - rows).abs().max().item<double>(), 1e-5);
}

TEST(TrainingDevice, IsTheCpuWithoutAGpu) {
  EXPECT_TRUE(training_device("cpu").is_cpu());
  if (torch::cuda::is_available()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_TRUE(training_device("auto").is_cpu());
  const std::string message = test::invalid_input_of([] { training_device("cuda"); });
  EXPECT_NE(message.find("--device cuda"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
