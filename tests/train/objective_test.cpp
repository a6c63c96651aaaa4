#include "train/objective.h"

#include "base/file.h"
#include "train/losses/contrastive.h"
#include "train/losses/distillation.h"
#include "train/losses/sdm.h"
#include "train/start.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

/// A checkpoint, a dataset that fits it and a batch.
class ObjectiveTest : public test::TinyTraining {
 protected:
  ObjectiveTest() : dataset_(open_dataset(at("data"))) {
    torch::manual_seed(8);
    checkpoint_ = new_checkpoint(test::tiny_train_options(), dataset_);
    adopt_tokenizer(dataset_, checkpoint_);
    LoaderOptions options;
    options.batch = 8;
    Loader loader(dataset_, checkpoint_.card.image, options);
    loader.start_epoch(0);
    inputs_ = inputs_of(*loader.next(), torch::kCPU);
  }
  Objective objective(const ObjectiveOptions& options) {
    return Objective(options, LossContext{checkpoint_, dataset_, "train"});
  }
  ObjectiveValue value_of(Objective& objective) {
    return objective->forward(objective->features(checkpoint_.model, inputs_, /*bf16=*/false));
  }

  Dataset dataset_;
  Checkpoint checkpoint_;
  Inputs inputs_;
};

TEST_F(ObjectiveTest, IsTheWeightedSumOfItsParts) {
  ObjectiveOptions options;
  options.sdm.weight = 0.5;
  options.identity.weight = 2;
  Objective all = objective(options);
  const ObjectiveValue value = value_of(all);
  ASSERT_EQ(value.parts.size(), 3u);
  EXPECT_EQ(value.parts[0].first, "contrastive");
  EXPECT_EQ(value.parts[1].first, "sdm");
  EXPECT_EQ(value.parts[2].first, "identity");
  const auto part = [&](std::size_t i) { return value.parts[i].second.item<double>(); };
  EXPECT_NEAR(value.total.item<double>(), part(0) + 0.5 * part(1) + 2 * part(2), 1e-5);
  EXPECT_EQ(all->parameters().size(), 2u) << "of the classifier";

  all->eval();
  EXPECT_EQ(value_of(all).parts.size(), 2u) << "persons of another split have no class";
  options = {};
  options.contrastive.weight = 0;
  options.identity.weight = 1;
  Objective none = objective(options);
  none->eval();
  EXPECT_FALSE(value_of(none).total.defined());
}

TEST_F(ObjectiveTest, FeaturesAreTheModels) {
  Objective plain = objective({});
  const Features features = plain->features(checkpoint_.model, inputs_, /*bf16=*/false);
  EXPECT_TRUE(torch::equal(features.image.unit, checkpoint_.model->encode_image(inputs_.pixels)));
  EXPECT_TRUE(torch::equal(features.text.projected, checkpoint_.model->project_text(inputs_.tokens)));
  EXPECT_EQ(features.image.hidden.size(1), 32);
  EXPECT_FALSE(features.teacher.image.defined());
}

TEST_F(ObjectiveTest, TheTeacherIsFrozenAndNoPartOfTheState) {
  Checkpoint teacher = checkpoint_;
  torch::manual_seed(9);
  teacher.model = DualEncoder(checkpoint_.config);
  initialize_weights(teacher.model);
  if (!std::filesystem::exists(at("teacher"))) save_checkpoint(at("teacher"), teacher);
  ObjectiveOptions options;
  options.distillation.weight = 1;
  options.distillation.teacher = at("teacher").string();
  Objective distilled = objective(options);
  EXPECT_TRUE(distilled->parameters().empty());
  const ObjectiveValue value = value_of(distilled);
  EXPECT_GT(value.parts[1].second.item<double>(), 0);
  value.total.backward();
  EXPECT_TRUE(checkpoint_.model->logit_scale.grad().defined());

  const std::string message = test::invalid_input_of([&] {
    ObjectiveOptions wrong = options;
    checkpoint_.card.image.mean = {0, 0, 0};
    Objective(wrong, LossContext{checkpoint_, dataset_, "train"});
  });
  EXPECT_NE(message.find("image.mean"), std::string::npos) << message;
}

TEST_F(ObjectiveTest, ATeacherOfOtherTokensIsRefused) {
  Checkpoint teacher = checkpoint_;
  teacher.tokenizer =
      train_tokenizer({"quite other words in quite another order", "and more of them, so many more"}, 30);
  save_checkpoint(at("foreign"), teacher);
  ObjectiveOptions options;
  options.distillation.weight = 1;
  options.distillation.teacher = at("foreign").string();
  const std::string message = test::invalid_input_of([&] { objective(options); });
  EXPECT_NE(message.find("tokens in the captions"), std::string::npos) << message;
}

TEST(ObjectiveOptions, RefusesWhatCannotBeMinimized) {
  const auto refused = [](const Json& json) {
    return test::invalid_input_of([&] {
      TrainOptions options;
      options_from_json(json, options, "");
    });
  };
  EXPECT_NE(refused({{"losses", {{"contrastive", {{"weight", 0}}}}}}).find("nothing to minimize"),
            std::string::npos);
  EXPECT_NE(refused({{"losses", {{"sdm", {{"weight", -1}}}}}}).find("losses.sdm.weight"), std::string::npos);
  EXPECT_NE(refused({{"losses", {{"sdm", {{"temperature", 0}}}}}}).find("losses.sdm.temperature"),
            std::string::npos);
  EXPECT_NE(refused({{"losses", {{"distillation", {{"weight", 1}}}}}}).find("losses.distillation.teacher"),
            std::string::npos);
  EXPECT_NE(refused({{"losses", {{"identity", {{"label_smoothing", 1}}}}}}).find("label_smoothing"),
            std::string::npos);
  EXPECT_NE(refused({{"losses", {{"contrastive", {{"weight", 0}}}, {"identity", {{"weight", 1}}}}},
                     {"best_by", "loss"}})
                .find("best_by"),
            std::string::npos);
  TrainOptions options;  // the key of earlier versions
  options_from_json(Json{{"identity_targets", false}}, options, "");
  EXPECT_FALSE(options.losses.contrastive.identity_targets);
}

}  // namespace
}  // namespace edgeclip
