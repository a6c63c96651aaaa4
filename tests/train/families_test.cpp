#include "base/signals.h"
#include "support/support.h"
#include "train/interrupt_after.h"
#include "train/start.h"
#include "train/tiny_training.h"
#include "train/trainer.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// Training of the other towers, of a part of a model, and of adapters with more than products.
class FamilyTraining : public test::TinyTraining {
 protected:
  static std::string hash(const std::string& name) { return weights_hash(load_checkpoint(at(name)).model); }

  /// Trains until a signal after some steps.
  static void interrupt(const TrainOptions& options, const TrainPaths& paths) {
    {
      const test::InterruptAfter interrupt(fs::path(paths.out) / "metrics.jsonl", 6);
      EXPECT_THROW(train(options, paths), Interrupted);
    }
    const SafetensorsFile state(fs::path(paths.out) / "state.safetensors");
    EXPECT_GT(std::stoi(state.metadata().at("step")), 3);
  }

  static TrainOptions options() {
    TrainOptions options = test::tiny_train_options();
    VisionConfig& v = options.model.vision;
    v.model_type = "resnet";
    v.depths = {1, 1};
    v.hidden_sizes = {16, 32};
    v.embedding_size = 8;
    options.model.text.model_type = "distilbert";
    options.model.visual_projection.model_type = options.model.text_projection.model_type = "mlp";
    options.epochs = 2;
    return options;
  }
};

TEST_F(FamilyTraining, ValidatingChangesNoStatistics) {
  train(options(), paths("whole"));
  TrainOptions often = options();
  often.validate_every = 3;
  train(often, paths("often"));
  EXPECT_EQ(hash("often/final"), hash("whole/final"));
  const Checkpoint checkpoint = load_checkpoint(at("whole/final"));
  EXPECT_EQ(checkpoint.model->named_buffers()["vision_model.bn1.num_batches_tracked"].item<std::int64_t>(),
            2 * 4);
}

TEST_F(FamilyTraining, ARunInTwoPartsIsARunInOne) {
  TrainOptions o = options();
  o.epochs = 6;
  train(o, paths("one"));
  interrupt(o, paths("two"));
  train(o, paths("two", "", true));
  EXPECT_EQ(hash("two/final"), hash("one/final"));
}

TEST_F(FamilyTraining, AnAdapterWithCopiesOnABf16BaseIsResumed) {
  TrainOptions o = options();
  train(o, paths("wide"));
  o.model = ModelConfig();
  o.lora_mode = "adapter";
  o.base_type = "bf16";
  o.lora.target_modules = {"all-linear"};
  o.lora.rank = 2;
  o.lora.dropout = 0.2;
  o.lora.modules_to_save = {"visual_projection"};
  o.lora.bias = "all";
  o.epochs = 6;
  train(o, paths("through", "wide/final"));
  interrupt(o, paths("parts", "wide/final"));
  train(o, paths("parts", "", true));
  EXPECT_EQ(hash("parts/final"), hash("through/final"));
}

TEST_F(FamilyTraining, GradientCheckpointingTrainsTheSame) {
  train(options(), paths("plain"));
  TrainOptions o = options();
  o.gradient_checkpointing = true;
  train(o, paths("recomputed"));
  EXPECT_EQ(hash("recomputed/final"), hash("plain/final"));
}

TEST_F(FamilyTraining, WhatIsFrozenStays) {
  TrainOptions o = options();
  train(o, paths("start"));
  o.model = ModelConfig();
  o.freeze = {"vision_model", "text_model.transformer.layer.0-0", "*.LayerNorm"};
  train(o, paths("part", "start/final"));
  const Checkpoint before = load_checkpoint(at("start/final")), after = load_checkpoint(at("part/final"));
  const auto old_values = before.model->named_parameters();
  for (const auto& item : after.model->named_parameters()) {
    const std::string& name = item.key();
    const bool frozen = name.rfind("vision_model.", 0) == 0 ||
                        name.rfind("text_model.transformer.layer.0.", 0) == 0 ||
                        name.find(".LayerNorm.") != std::string::npos;
    EXPECT_EQ(torch::equal(item.value(), old_values[name]), frozen) << name;
  }
  const auto old_buffers = before.model->named_buffers();
  for (const auto& item : after.model->named_buffers())
    EXPECT_TRUE(torch::equal(item.value(), old_buffers[item.key()])) << item.key();
  o.freeze = {"vision_modle"};
  EXPECT_NE(test::invalid_input_of([&] { train(o, paths("none", "start/final")); }).find("vision_modle"),
            std::string::npos);
}

TEST_F(FamilyTraining, AnAdapterOnABf16BaseKeepsItAndComesBack) {
  TrainOptions o = options();
  train(o, paths("base"));
  o.model = ModelConfig();
  o.lora_mode = "adapter";
  o.base_type = "bf16";
  o.saving.base = true;
  o.lora.rank = 2;
  o.lora.target_modules = {"q_lin", "v_lin", "projection"};
  o.lora.modules_to_save = {"fc"};
  o.lora.bias = "lora_only";
  train(o, paths("adapted", "base/final"));
  const Checkpoint adapted = load_checkpoint(at("adapted/final"));
  ASSERT_TRUE(adapted.model->has_lora());
  EXPECT_EQ(adapted.model->adapters.adapter().options.modules_to_save, (std::vector<std::string>{"fc"}));
  const auto base = load_checkpoint(at("base/final")).model->named_parameters();
  const SafetensorsFile stored(at("adapted/final") / "model.safetensors");
  for (const auto& item : base) {
    const torch::Tensor value = from_tensor(stored.get(item.key()).view());
    const bool rounded = value.scalar_type() == torch::kBFloat16;
    EXPECT_TRUE(torch::equal(value, rounded ? item.value().to(torch::kBFloat16) : item.value()))
        << item.key();
  }
  EXPECT_EQ(stored.get("text_model.embeddings.word_embeddings.weight").dtype(), DType::bf16);
  const auto& adapter = adapted.model->adapters.adapter();
  EXPECT_FALSE(
      torch::equal(adapter.copies.at("visual_projection.fc.weight"), base["visual_projection.fc.weight"]));
  EXPECT_EQ(adapter.copies.count("visual_projection.projection.bias"), 1u);

  o.lora_mode = "none";
  o.lora = LoraOptions();
  EXPECT_NE(test::invalid_input_of([&] { train(o, paths("none", "base/final")); }).find("base_type"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
