// What decides about a step's result is in its key, and nothing else is.
#include <gtest/gtest.h>

#include <set>

#include "bundle/model_card.h"
#include "cli/workshop/compress_report/made.h"
#include "model/config/model_config.h"
#include "support/support.h"

namespace edgeclip::compress_report {
namespace {

namespace fs = std::filesystem;

/// Runs nothing: what each command would make is there at once.
class Pretended : public Steps {
 public:
  explicit Pretended(const fs::path& folder) : Steps(folder), home_(folder) {}

  const Step& run(const Call& call, const std::string&) override {
    const std::string key = key_of(call);
    Step step{key, home_ / key, {{"from", key}}};
    fs::create_directories(step.out());
    test::write_text(step.out() / "image.onnx", "a model");
    keys.insert(key);
    return steps_.insert_or_assign(key, std::move(step)).first->second;
  }
  void check(const Call& call, const std::string& what) override {
    std::string text = call.command;
    for (const Argument& argument : call.arguments) text += " " + argument.text;
    checked[what] = text;
  }
  std::set<std::string> keys;
  std::map<std::string, std::string> checked;  ///< the command lines of networks and rows

 private:
  fs::path home_;
  std::map<std::string, Step> steps_;
};

/// Commands of which the key is in one and not in the other.
std::set<std::string> changed(const std::set<std::string>& before, const std::set<std::string>& after) {
  std::set<std::string> commands;
  for (const auto* keys : {&before, &after})
    for (const std::string& key : *keys)
      if (before.count(key) != after.count(key)) commands.insert(key.substr(0, key.find('-')));
  return commands;
}

using Names = std::set<std::string>;

class StepKeys : public testing::Test {
 protected:
  void SetUp() override {
    write_given("weights");
    test::write_text(dir_ / "train.json", "{}");
    test::write_text(dir_ / "words.txt", "red coat");
    plan_.networks["given"].checkpoint = (dir_ / "given").string();
    plan_.networks["student"].config = (dir_ / "train.json").string();
    plan_.networks["student"].set = {"steps=3", "vocabulary=" + (dir_ / "words.txt").string()};
    plan_.networks["student"].teacher = "given";
    Network& pruned = plan_.networks["pruned"];
    pruned.command = "prune", pruned.from = "student", pruned.set = {"mlp_ratio=0.5"};
    row_.name = "a", row_.network = "pruned", row_.quantize = "static";
    place_.data = "/data/set", place_.data_hash = "images", place_.split = "test", place_.machine = "this one";
  }

  void write_given(const std::string& weights) {
    fs::create_directories(dir_ / "given");
    ModelCard card;
    card.vocab_size = 100, card.embedding_dim = 128;
    const Json head = {{"format", 1}, {"edgeclip", "0"}, {"model", options_to_json(ModelConfig())}, {"card", options_to_json(card)}};
    test::write_text(dir_ / "given/config.json", head.dump());
    test::write_text(dir_ / "given/model.safetensors", weights);
  }

  std::set<std::string> keys(int seed = 0, int round = 0) const {
    Pretended steps(dir_ / "steps");
    Maker maker(plan_, place_, steps);
    const MadeRow made = maker.make(row_, seed);
    maker.evaluated(row_, made, seed);
    maker.verified(row_, made, seed);
    maker.profiled(row_, made);
    maker.measured(row_, made, "all rows", round);
    return steps.keys;
  }

  /// Commands that have another key since `before`.
  Names since(const std::set<std::string>& before) const { return changed(before, keys()); }

  test::TempDir dir_;
  Plan plan_;
  Row row_;
  Place place_;
  const Names all_ = {"train", "prune", "export", "quantize", "build", "evaluate", "verify", "profile", "bench"};
  const Names deployed_ = {"export", "quantize", "build", "evaluate", "verify", "bench"};
};

TEST_F(StepKeys, AreTheSameForTheSame) {
  const auto before = keys();
  EXPECT_EQ(before.size(), all_.size());
  EXPECT_EQ(since(before), Names());
  row_.name = "another name", plan_.networks["unused"].set = {"steps=9"};
  EXPECT_EQ(since(before), Names());
  EXPECT_EQ(changed(before, keys(1)), all_);
  EXPECT_EQ(changed(before, keys(0, 1)), Names{"bench"});
}

TEST_F(StepKeys, SettingsMakeAnewWhatStandsOnThem) {
  const auto before = keys();
  plan_.networks["student"].set[0] = "steps=4";
  EXPECT_EQ(since(before), all_);
  plan_.networks["student"].set[0] = "steps=3";
  plan_.networks["pruned"].set = {"mlp_ratio=0.4"};
  Names but_train = all_;
  but_train.erase("train");
  EXPECT_EQ(since(before), but_train);
  plan_.networks["pruned"].set = {"mlp_ratio=0.5"};
  row_.quantize_set = {"percentile=99.9"};
  Names of_int8 = deployed_;
  of_int8.erase("export");
  EXPECT_EQ(since(before), of_int8);
  row_.quantize_set.clear();
  Names of_merging = deployed_;
  of_merging.insert("profile");
  row_.token_merging = {4};
  EXPECT_EQ(since(before), of_merging);
  row_.token_merging.clear(), row_.token_budget = 0.5;
  EXPECT_EQ(since(before), of_merging);
  const auto half = keys();
  row_.token_budget = 0.6;
  EXPECT_EQ(since(half), of_merging);
  row_.token_budget = 0, row_.quantize = "none", row_.precision = "bf16";
  EXPECT_EQ(since(before), of_int8);
  row_.quantize = "static", row_.precision.clear();
  place_.tokens = 17;
  EXPECT_EQ(since(before), Names{"profile"});
  place_.tokens = 1, place_.split = "val";
  EXPECT_EQ(since(before), (Names{"evaluate", "bench"}));
  place_.split = "test", place_.queries = 9;
  EXPECT_EQ(since(before), Names{"bench"});
  place_.queries = 200;
  EXPECT_EQ(since(before), Names());
}

TEST_F(StepKeys, FilesCountByWhatIsInThem) {
  const auto before = keys();
  test::write_text(dir_ / "train.json", R"({"steps": 3})");
  EXPECT_EQ(since(before), all_);
  test::write_text(dir_ / "train.json", "{}");
  test::write_text(dir_ / "words.txt", "blue coat");
  EXPECT_EQ(since(before), all_);
  test::write_text(dir_ / "words.txt", "red coat");
  // What the student is distilled from.
  write_given("other weights");
  EXPECT_EQ(since(before), all_);
  write_given("weights");
  EXPECT_EQ(since(before), Names());
  // Elsewhere it is the same.
  test::write_text(dir_ / "copy.json", "{}");
  plan_.networks["student"].config = (dir_ / "copy.json").string();
  EXPECT_EQ(since(before), Names());
}

TEST_F(StepKeys, DataCountByWhatTheyHoldNotByTheirPlace) {
  const auto before = keys();
  place_.data = "/moved/set", place_.image_root = "/images";
  const auto moved = keys();
  EXPECT_EQ(since(moved), Names());
  place_.image_root = "/other/images";
  EXPECT_EQ(since(moved), Names());
  place_.data = "/data/set", place_.image_root.clear();
  place_.data_hash = "other images";
  EXPECT_EQ(since(before), all_);
}

TEST_F(StepKeys, AGivenCheckpointIsItsFiles) {
  row_.network = "given";
  const auto before = keys();
  EXPECT_EQ(before.size(), deployed_.size() + 1);
  write_given("other weights");
  Names but_made = deployed_;
  but_made.insert("profile");
  EXPECT_EQ(since(before), but_made);
  fs::create_directories(dir_ / "elsewhere");
  fs::rename(dir_ / "given", dir_ / "elsewhere/given");
  plan_.networks["given"].checkpoint = (dir_ / "elsewhere/given").string();
  EXPECT_EQ(since(before), but_made);
  test::write_text(dir_ / "elsewhere/given/model.safetensors", "weights");
  EXPECT_EQ(since(before), Names()) << "moved";
}

TEST_F(StepKeys, WhatCanBeJudgedIsJudgedFirst) {
  test::write_text(dir_ / "train.json", R"({"model": {"projection_dim": 32}, "image": {"height": 9}, "optimizer": {"lr": 0.5}})");
  Network& further = plan_.networks["further"];
  further.from = "given", further.set = {"steps=9"};
  Network& twice = plan_.networks["twice"];
  twice.from = "student", twice.teacher = "given", twice.config = (dir_ / "train.json").string();
  twice.set = {"model.vision.token_merging=[4]", "adapter=one", "losses.distillation.weight=0.3"};
  Pretended steps(dir_ / "steps");
  Maker(plan_, place_, steps).judge();
  EXPECT_TRUE(steps.keys.empty());
  ASSERT_EQ(steps.checked.size(), 4u) << "all but the one that is given";
  const auto said = [&](const char* network, const std::string& part) { return steps.checked.at(network).find(part) != std::string::npos; };
  EXPECT_TRUE(said("further", "--init " + (dir_ / "given").string())) << steps.checked["further"];
  EXPECT_TRUE(said("further", "steps=9") && said("further", "--print-config"));
  EXPECT_TRUE(said("pruned", "--checkpoint (made later)"));
  // Of what starts from weights that are not there yet, all but what comes with these.
  EXPECT_EQ(steps.checked["twice"], "train --set optimizer={\"lr\":0.5} --data /data/set --set losses.distillation.weight=0.3 "
                                    "--set losses.distillation.teacher=(made later) --out (made later) --print-config");
}

// Killed between the two, it would be done again for want of a report that nobody reads.
TEST(Steps, APruningThatHadEndedIsTaken) {
  const test::TempDir dir;
  const Call call{"prune", Call::Makes::kPruned, {Argument::plain("--none")}};
  const fs::path folder = dir / key_of(call);
  fs::create_directories(folder / "out");
  test::write_text(folder / "out/config.json", "{}");
  Steps steps(dir.path());
  const Step& step = steps.run(call, "pruned");
  EXPECT_EQ(step.report["out"], (folder / "out").string());
  EXPECT_TRUE(fs::exists(folder / "report.json"));
  EXPECT_FALSE(fs::exists(folder / "log")) << "nothing was run";
}

}  // namespace
}  // namespace edgeclip::compress_report
