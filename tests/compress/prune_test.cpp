#include "compress/prune.h"

#include <filesystem>
#include <set>

#include "compress/random_checkpoint.h"
#include "compress/sparsify.h"
#include "compress/tiny_pruning.h"
#include "model/layer_weights.h"
#include "model/profile.h"
#include "retrieval/evaluate/evaluate.h"
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

TEST_F(PruneTest, EveryImportanceAndBothRankings) {
  for (const char* importance : {"taylor", "activation", "magnitude"})
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

TEST_F(PruneTest, HeadsAndNeuronsGoUntilATargetIsReached) {
  PruneOptions o = options();
  o.target_macs = 0.6;
  const Json report = prune(o, paths("target"));
  const double before = report["macs"]["before"], after = report["macs"]["after"];
  EXPECT_LE(after, 0.6 * before);
  EXPECT_GE(after, 0.5 * before);
  EXPECT_LT(report["heads"]["after"].get<int>(), report["heads"]["before"].get<int>());
  EXPECT_LT(report["neurons"]["after"].get<int>(), report["neurons"]["before"].get<int>());
  EXPECT_EQ(report["channels"]["before"], 0);
  const Checkpoint pruned = load_checkpoint(at("target"));
  const ModelProfile profile = profile_model(pruned.model, 1, report["macs"]["tokens"]);
  EXPECT_EQ(static_cast<double>(profile.image_macs + profile.text_macs), after);

  o.kinds = {"heads"};
  o.target_macs = 0.2;
  const std::string message = test::invalid_input_of([&] { prune(o, paths("refused")); });
  EXPECT_NE(message.find("target_macs"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(at("refused")));
}

TEST_F(PruneTest, ALatencyIsApproachedByMeasuring) {
  PruneOptions o = options();
  o.target_latency = 7;
  int measured = 0;
  PruneHooks hooks;
  hooks.latency_ms = [&](const Checkpoint& candidate, int tokens, const fs::path&) {  // a machine that takes 10 ms for the whole network
    ++measured;
    const auto macs = [&](const DualEncoder& model) {
      const ModelProfile profile = profile_model(model, 1, tokens);
      return static_cast<double>(profile.image_macs + profile.text_macs);
    };
    return 10 * macs(candidate.model) / macs(load_checkpoint(at("run/final")).model);
  };
  const Json report = prune(o, paths("latency"), hooks);
  EXPECT_DOUBLE_EQ(report["latency_ms"]["before"].get<double>(), 10);
  EXPECT_LE(report["latency_ms"]["after"].get<double>(), 7);
  EXPECT_GE(report["latency_ms"]["after"].get<double>(), 6);
  EXPECT_LE(measured, 12);
  o.target_latency = 0.5;
  EXPECT_NE(test::invalid_input_of([&] { prune(o, paths("refused"), hooks); }).find("target_latency"), std::string::npos);
}

TEST_F(PruneTest, AResNetLosesChannels) {
  TrainOptions training = test::tiny_train_options();
  training.model.vision.model_type = "resnet";
  training.model.vision.depths = {2, 1};
  training.model.vision.hidden_sizes = {32, 64};
  training.model.vision.embedding_size = 16;
  training.epochs = 2;
  train(training, TinyTraining::paths("resnet"));
  for (const char* importance : {"taylor", "activation"}) {
    PruneOptions o = options();
    o.importance = importance;
    o.channel_ratio = 0.4;
    o.multiple = 4;
    PrunePaths p = overwriting("narrow");
    p.checkpoint = at("resnet/final");
    const Json report = prune(o, p);
    const int before = report["channels"]["before"], after = report["channels"]["after"];
    EXPECT_LE(before - after, 0.4 * before);
    EXPECT_GE(before - after, 0.3 * before);
    EXPECT_EQ(report["neurons"]["before"], report["neurons"]["after"]) << "their part is 0 beside another goal";
    EXPECT_LT(report["macs"]["after"].get<double>(), report["macs"]["before"].get<double>());
    CheckpointEncoder encoder(load_checkpoint(at("narrow")));
    EvaluateOptions val;
    val.split = "val";
    EXPECT_NEAR(evaluate(encoder, open_dataset(at("data")), val).text_to_image.map, report["val"]["pruned"]["text_to_image"]["mAP"].get<double>(),
                1e-6);
  }
}

TEST_F(PruneTest, RefusesWhatWouldRemoveNothing) {
  PruneOptions o = options();
  o.channel_ratio = 0.5;  // a ViT has no channels
  EXPECT_NE(test::invalid_input_of([&] { prune(o, paths("refused")); }).find("channel_ratio"), std::string::npos);
  o = options();
  o.sparsity_global = false;
  EXPECT_NE(test::invalid_input_of([&] { o.validate(""); }).find("sparsity_global"), std::string::npos);
}

TEST_F(PruneTest, ATargetOutOfReachIsRefusedBeforeTheFirstRound) {
  PruneOptions o = options();
  o.recovery.steps = 4;
  o.rounds = 3;
  o.target_macs = 0.05;
  const std::string message = test::invalid_input_of([&] { prune(o, paths("refused")); });
  EXPECT_NE(message.find("0.05"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(at("refused.recovery")));
}

TEST_F(PruneTest, ForeignFilesInThePlaceOfItsRecoveryAreSaidBeforeTheWork) {
  fs::create_directories(at("busy.recovery"));
  test::write_text(at("busy.recovery/notes.txt"), "mine");
  PruneOptions o = options();
  o.recovery.steps = 2;
  const PrunePaths p = paths("busy");
  EXPECT_NE(test::invalid_input_of([&] { prune(o, p); }).find("busy.recovery"), std::string::npos);
  fs::remove_all(at("busy.recovery"));
}

TEST_F(PruneTest, WholeBlocksGoFirst) {
  PruneOptions o = options();
  o.blocks = 1;
  o.mlp_ratio = 0;
  const Json report = prune(o, paths("shorter"));
  ASSERT_EQ(report["blocks"]["removed"].size(), 1u);
  const Checkpoint pruned = load_checkpoint(at("shorter"));
  EXPECT_EQ(pruned.config.vision.num_hidden_layers + pruned.config.text.num_hidden_layers, 3);
  EXPECT_LT(report["macs"]["after"].get<double>(), report["macs"]["before"].get<double>());
  EXPECT_EQ(report["neurons"]["before"], 3 * 64);
  o.blocks = 3;
  EXPECT_NE(test::invalid_input_of([&] { prune(o, paths("refused")); }).find("blocks"), std::string::npos);
}

TEST_F(PruneTest, ZerosStayThroughTheRecovery) {
  PruneOptions o = options();
  o.mlp_ratio = 0;
  o.sparsity = 0.5;
  o.recovery.steps = 6;
  o.recovery.optimizer.weight_decay = 0.1;
  const Json report = prune(o, paths("sparse"));
  EXPECT_NEAR(report["sparsity"]["part"].get<double>(), 0.5, 1e-3);
  Checkpoint recovered = load_checkpoint(at("sparse"));
  EXPECT_EQ(sparsity_report(recovered.model)["zeros"], report["sparsity"]["zeros"]);
  const Checkpoint before = load_checkpoint(at("run/final"));
  double moved = 0;
  const auto was = before.model->named_parameters();
  for (const auto& [name, weight] : layer_weights(*recovered.model))
    moved += (weight != 0).logical_and(weight != was[name]).sum().item<double>();
  EXPECT_GT(moved, 0) << "the others train";
}

TEST_F(PruneTest, RoundsGoTheWayInParts) {
  PruneOptions o = options();
  o.mlp_ratio = 0.5;
  o.multiple = 4;
  o.rounds = 3;
  o.recovery.steps = 4;
  const Json report = prune(o, paths("rounds"));
  EXPECT_EQ(report["neurons"]["before"], 4 * 64);
  EXPECT_EQ(report["neurons"]["after"], 4 * 32);
  ASSERT_EQ(report["rounds"].size(), 2u);
  EXPECT_TRUE(report["rounds"][0]["val"]["recovered"].contains("text_to_image"));
  EXPECT_TRUE(fs::exists(fs::path(at("rounds")) / "recovery/rounds/1/metrics.jsonl"));
  EXPECT_TRUE(fs::exists(fs::path(at("rounds")) / "recovery/rounds/2/metrics.jsonl"));
  EXPECT_TRUE(fs::exists(fs::path(at("rounds")) / "recovery/metrics.jsonl"));
  EXPECT_FALSE(fs::exists(at("rounds.recovery")));
  const Checkpoint pruned = load_checkpoint(at("rounds"));
  ASSERT_EQ(pruned.provenance.size(), 7u) << "trained, three times pruned and trained";
}

TEST_F(PruneTest, OptionsThatContradictEachOther) {
  const auto refused = [&](auto change) {
    PruneOptions o = options();
    change(o);
    return test::invalid_input_of([&] { o.validate(""); });
  };
  const auto has = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  has(refused([](PruneOptions& o) { o.target_macs = 0.5, o.target_latency = 3; }), "target_latency");
  has(refused([](PruneOptions& o) { o.target_macs = 0.5, o.head_ratio = 0.5; }), "head_ratio");
  has(refused([](PruneOptions& o) { o.target_macs = 0.5, o.mlp_ratio = 0.5; }), "mlp_ratio");
  has(refused([](PruneOptions& o) { o.target_macs = 0.5, o.global = false; }), "global");
  has(refused([](PruneOptions& o) { o.target_macs = 1; }), "target_macs");
  has(refused([](PruneOptions& o) { o.kinds = {"heads"}; }), "kinds");
  has(refused([](PruneOptions& o) { o.target_macs = 0.5, o.kinds = {"head"}; }), "heads");
  has(refused([](PruneOptions& o) { o.rounds = 3; }), "rounds");
  has(refused([](PruneOptions& o) { o.channel_ratio = 1; }), "channel_ratio");
  has(refused([](PruneOptions& o) { o.sparsity = 0.5, o.recovery.steps = 2, o.recovery.lora_mode = "adapter"; }), "recovery.lora_mode");
  has(refused([](PruneOptions& o) { o.recovery.keep_zeros = true, o.recovery.lora_mode = "adapter"; }), "keep_zeros");
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
    const Json json = read_json(entry.path());
    if (json.contains("networks")) continue;  // of compress-report
    PruneOptions options;
    EXPECT_NO_THROW(options_from_json(json, options, entry.path().string() + ": "))
        << entry.path();
    ++files;
  }
  EXPECT_GE(files, 1);
}

}  // namespace
}  // namespace edgeclip
