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

TEST_F(DistilledRun, GoesOnExactlyWithATeacherThatIsAskedOnce) {
  TrainOptions options = distilled();
  options.losses.self_supervision.weight = 0;
  options.augment = {};
  options.epochs = 3;
  const Json report = train(options, paths("asked_once"));
  EXPECT_GT(report["memory"]["teacher_mb"].get<double>(), 0.01) << "of captions and images";
  {
    const test::InterruptAfter interrupt(at("asked_again") / "metrics.jsonl", 5);
    EXPECT_THROW(train(options, paths("asked_again")), Interrupted);
  }
  train(options, paths("asked_again", "", true));
  EXPECT_EQ(steps_of(at("asked_again")), steps_of(at("asked_once")));
  EXPECT_EQ(weights_hash(load_checkpoint(at("asked_again") / "final").model),
            weights_hash(load_checkpoint(at("asked_once") / "final").model));
}

TEST_F(DistilledRun, GoesOnWithItsTeacherAlone) {
  TrainOptions options = distilled();
  options.epochs = 1;
  fs::copy(at("teacher/best"), at("borrowed"), fs::copy_options::recursive);
  options.losses.distillation.teacher = at("borrowed").string();
  train(options, paths("borrows"));
  EXPECT_EQ(read_json(at("borrows/run.json"))["teacher"]["hash"], weights_hash(load_checkpoint(at("borrowed")).model));
  fs::remove_all(at("borrowed"));
  fs::copy(at("other_teacher/best"), at("borrowed"), fs::copy_options::recursive);
  const std::string message = test::invalid_input_of([&] { train(options, paths("borrows", "", true)); });
  EXPECT_NE(message.find("losses.distillation.teacher"), std::string::npos) << message;
  EXPECT_NE(message.find("other weights"), std::string::npos) << message;
}

TEST_F(DistilledRun, WhatIsSetOfALossWithoutWeightIsRefused) {
  const auto refused = [](const ObjectiveOptions& losses, const Json& named) {
    TrainOptions options = test::tiny_train_options();
    options.losses = losses;
    TrainPaths where = paths("unweighted");
    where.named = named;
    return test::invalid_input_of([&] { settle_training(options, where); });
  };
  ObjectiveOptions losses;
  losses.distillation.teacher = at("teacher/best").string();
  EXPECT_NE(refused(losses, nullptr).find("losses.distillation.teacher"), std::string::npos);
  losses = {};
  losses.sdm.temperature = 0.05;
  EXPECT_NE(refused(losses, nullptr).find("losses.sdm.weight is 0"), std::string::npos);
  losses = {};
  losses.distillation.embeddings.measure = "mse";
  EXPECT_NE(refused(losses, nullptr).find("losses.distillation.embeddings.measure"), std::string::npos);
  losses.distillation.embeddings.weight = 1;
  losses.distillation.teacher = at("teacher/best").string();
  losses.distillation.temperature = 2;
  EXPECT_NE(refused(losses, nullptr).find("losses.distillation.temperature"), std::string::npos);
  // With its default, but named.
  const Json temperature = {{"losses", {{"sdm", {{"temperature", 0.02}}}}}};
  EXPECT_NE(refused({}, temperature).find("losses.sdm.temperature"), std::string::npos);

  // A whole configuration is fine, and a teacher that one of its losses uses.
  TrainOptions options = test::tiny_train_options();
  TrainPaths where = paths("weighted");
  where.named = {{"losses", options_to_json(options.losses)}};
  EXPECT_NO_THROW(settle_training(options, where));
  options.losses.distillation.hidden.weight = 1;
  options.losses.distillation.teacher = at("teacher/best").string();
  EXPECT_NO_THROW(settle_training(options, where));
}

TEST_F(DistilledRun, ViewsThatAreTheSameAreRefused) {
  TrainOptions options = test::tiny_train_options();
  options.losses.self_supervision.weight = 1;
  EXPECT_NO_THROW(options.validate(""));
  options.augment.flip.probability = 0;
  EXPECT_NE(test::invalid_input_of([&] { options.validate(""); }).find("losses.self_supervision"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
