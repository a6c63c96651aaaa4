#include "compress/prune.h"

#include <filesystem>
#include <set>

#include "compress/random_checkpoint.h"
#include "compress/tiny_pruning.h"
#include "retrieval/evaluate.h"
#include "support/support.h"
#include "train/checkpoint_encoder.h"
#include "train/start.h"
#include "train/validation.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

using PruneTest = test::TinyPruning;

TEST_F(PruneTest, SmallerCheckpointLoadsAndEncodes) {
  PruneOptions o = options();
  o.recovery.steps = 8;
  const Json report = prune(o, paths("pruned"));
  EXPECT_EQ(report["neurons"]["before"], 4 * 64);
  const int after = report["neurons"]["after"];
  EXPECT_GE(after, 4 * 64 * 7 / 10);
  EXPECT_LE(after, 4 * 64 * 3 / 4);
  EXPECT_LT(report["parameters"]["after"].get<int>(), report["parameters"]["before"].get<int>());
  for (const char* stage : {"before", "pruned", "recovered"})
    EXPECT_TRUE(report["val"][stage].contains("text_to_image")) << stage;

  const Checkpoint pruned = load_checkpoint(at("pruned"));
  int neurons = 0;
  for (const auto& sizes : {pruned.config.vision.intermediate_size, pruned.config.text.intermediate_size})
    for (const int n : sizes) {
      EXPECT_EQ(n % o.multiple, 0);
      neurons += n;
    }
  EXPECT_EQ(neurons, after);
  ASSERT_EQ(pruned.provenance.size(), 3u);
  EXPECT_EQ(pruned.provenance[1]["command"], "prune");
  EXPECT_EQ(pruned.provenance[2]["command"], "train");
  CheckpointEncoder encoder(pruned);
  const Dataset dataset = open_dataset(at("data"));
  EvaluateOptions val;
  val.split = "val";
  EXPECT_NEAR(evaluate(encoder, dataset, val).text_to_image.map,
              report["val"]["recovered"]["text_to_image"]["mAP"].get<double>(), 1e-6);
}

TEST_F(PruneTest, MergesAnAdapterFirst) {
  PruneOptions o = options();
  o.mlp_ratio = 0;
  prune(o, paths("merged", "adapter/final"));
  const Checkpoint adapted = load_checkpoint(at("adapter/final")), merged = load_checkpoint(at("merged"));
  EXPECT_FALSE(merged.model->has_lora());
  const Batch batch = test::random_batch(adapted.config);
  EXPECT_LE((test::embeddings(adapted, batch) - test::embeddings(merged, batch)).abs().max().item<double>(), 1e-5);
}

TEST_F(PruneTest, BothImportancesAndBothRankings) {
  for (const char* importance : {"taylor", "magnitude"})
    for (const bool global : {true, false}) {
      PruneOptions o = options();
      o.importance = importance;
      o.global = global;
      o.mlp_ratio = 0.5;
      const Json report = prune(o, overwriting("variant"));
      EXPECT_EQ(report["neurons"]["after"], 4 * 32);
      EXPECT_TRUE(report["recovery"].is_null());
    }
}

TEST_F(PruneTest, LayersCompareAsAsked) {
  std::set<std::string> cuts;
  for (const char* ranking : {"score", "score_per_mac", "layer_mean"}) {
    PruneOptions o = options();
    o.ranking = ranking;
    o.mlp_ratio = 0.5;
    o.multiple = 4;
    o.min_keep = 0.1;
    cuts.insert(prune(o, overwriting("ranked"))["neurons"]["layers"].dump());
  }
  EXPECT_GE(cuts.size(), 2u);
  PruneOptions o = options();
  o.ranking = "score_per_mac";
  o.global = false;
  EXPECT_NE(test::invalid_input_of([&] { o.validate(""); }).find("ranking"), std::string::npos);
}

TEST_F(PruneTest, RefusesWhatCannotWork) {
  PruneOptions o = options();
  o.mlp_ratio = 1.5;
  EXPECT_NE(test::invalid_input_of([&] { prune(o, paths("refused")); }).find("mlp_ratio"), std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { prune(options(), paths("refused", "nothing")); }), "");
  EXPECT_FALSE(fs::exists(at("refused")));
}

TEST_F(PruneTest, NamesKeysOfTheRecoveryAsTheyAreCalled) {
  const auto refused = [&](auto change) {
    PruneOptions o = options();
    o.recovery.steps = 1;
    change(o);
    return test::invalid_input_of([&] { prune(o, paths("refused")); });
  };
  const auto has = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  has(refused([](PruneOptions& o) { o.recovery.losses.sdm.temperature = 1; }), "recovery.losses.sdm.temperature");
  has(refused([](PruneOptions& o) { o.recovery.freeze = {"nothing"}; }), "recovery: freeze");
  has(refused([](PruneOptions& o) { o.recovery.optimizer.groups = {{{"nothing"}, 2.0, -1.0}}; }),
      "recovery: optimizer.groups[0].parameters");
  has(refused([&](PruneOptions& o) {
        o.recovery.losses.distillation.weight = 1;
        o.recovery.losses.distillation.teacher = at("nowhere");
      }),
      "nowhere");
  // Before any work: the checkpoint is not even looked for.
  PruneOptions unmeasured = options();
  unmeasured.recovery.losses.contrastive.weight = 0;
  unmeasured.recovery.losses.identity.weight = 1;
  has(test::invalid_input_of([&] { prune(unmeasured, paths("refused", "nowhere")); }), "importance: taylor");
  has(refused([](PruneOptions& o) { o.recovery.lora_mode = "continue"; }), "recovery.lora_mode");
  EXPECT_FALSE(fs::exists(at("refused")));
  EXPECT_FALSE(fs::exists(at("refused.recovery")));
}

TEST(PruneConfigs, RecoveryHasNoKeysWithoutEffect) {
  for (const char* key : {"about", "model", "image"}) {
    PruneOptions options;
    const Json json = {{"recovery", {{key, options_to_json(TrainOptions())[key]}}}};
    EXPECT_NE(test::invalid_input_of([&] {
                options_from_json(json, options, "c.json: ");
              }).find(std::string("recovery.") + key + ": unknown key"),
              std::string::npos)
        << key;
  }
  PruneOptions options;
  EXPECT_NE(test::invalid_input_of([&] {
              options_from_json({{"recovery", {{"lora", {{"rank", 4}}}}}}, options, "c.json: ");
            }).find("recovery.lora.rank"),
            std::string::npos);
}

TEST(PruneConfigs, EveryShippedFileOpens) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(EDGECLIP_SOURCE_DIR) / "configs/compress")) {
    PruneOptions options;
    EXPECT_NO_THROW(options_from_json(read_json(entry.path()), options, entry.path().string() + ": "))
        << entry.path();
    ++files;
  }
  EXPECT_GE(files, 1);
}

}  // namespace
}  // namespace edgeclip
