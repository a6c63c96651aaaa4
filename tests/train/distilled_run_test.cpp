#include <sstream>

#include "base/file.h"
#include "base/signals.h"
#include "model/checkpoint.h"
#include "support/support.h"
#include "train/interrupt_after.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

/// Runs whose losses have weights, views and a teacher of their own.
class DistilledRun : public test::TinyTraining {
 protected:
  static void SetUpTestSuite() {
    TinyTraining::SetUpTestSuite();
    TrainOptions options = test::tiny_train_options();
    options.epochs = 1;
    options.model.projection_dim = 24;
    options.model.vision.hidden_size = 48;
    train(options, paths("teacher"));
    options.seed = 9;
    train(options, paths("other_teacher"));
  }
  static TrainOptions distilled() {
    TrainOptions options = test::tiny_train_options();
    options.epochs = 4;
    options.augment.color_jitter.brightness = 0.3;
    ObjectiveOptions& losses = options.losses;
    losses.reversed_contrastive.weight = losses.cyclic.weight = losses.triplet_alignment.weight = 0.1;
    losses.self_supervision.weight = 0.4;
    losses.distillation.embeddings.weight = losses.distillation.hidden.weight = 0.5;
    losses.distillation.teacher = at("teacher/best").string();
    return options;
  }
  static std::vector<Json> steps_of(const fs::path& run) {
    std::vector<Json> steps;
    std::istringstream lines(read_file(run / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (const Json json = Json::parse(line); json.contains("losses")) steps.push_back(json["losses"]);
    return steps;
  }
};

TEST_F(DistilledRun, GoesOnExactlyAndLogsEachLoss) {
  const TrainOptions options = distilled();
  train(options, paths("whole"));
  {
    const test::InterruptAfter interrupt(at("broken") / "metrics.jsonl", 6);
    EXPECT_THROW(train(options, paths("broken")), Interrupted);
  }
  train(options, paths("broken", "", true));
  const auto whole = steps_of(at("whole"));
  EXPECT_EQ(steps_of(at("broken")), whole);
  ASSERT_EQ(whole.size(), 16u);
  for (const char* name : {"contrastive", "reversed_contrastive", "cyclic", "triplet_alignment", "self_supervision",
                           "distillation_embeddings", "distillation_hidden"})
    EXPECT_TRUE(whole.back().contains(name)) << name;
  EXPECT_FALSE(whole.back().contains("distillation")) << "of weight 0";
  EXPECT_EQ(weights_hash(load_checkpoint(at("broken") / "final").model),
            weights_hash(load_checkpoint(at("whole") / "final").model));
}

}  // namespace
}  // namespace edgeclip
