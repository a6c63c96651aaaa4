#include "compress/recovery.h"

#include <cstdlib>

#include "base/file.h"
#include "base/signals.h"
#include "compress/tiny_pruning.h"
#include "model/checkpoint.h"
#include "train/interrupt_after.h"
#include "train/run_folder.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::invalid_input_of;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class RecoveryTest : public test::TinyPruning {
 protected:
  /// 20 steps, of which 4 are an epoch, with everything that a run can save.
  static PruneOptions recovering() {
    PruneOptions o = options();
    o.recovery.steps = 20;
    o.recovery.validate_every = 6;
    o.recovery.saving.every_steps = 2;
    o.recovery.average.decay = 0.9;
    o.recovery.losses.identity.weight = 0.5;
    return o;
  }
  static PrunePaths resuming(const std::string& out) {
    PrunePaths p;
    p.out = at(out);
    p.resume = true;
    return p;
  }
  static std::string weights(const std::string& checkpoint) { return read_file(at(checkpoint + "/model.safetensors")); }
  /// Is stopped once the recovery has made so many steps.
  static void interrupt(const PruneOptions& options, const PrunePaths& p, std::size_t steps) {
    const test::InterruptAfter interrupt(p.out + ".recovery/run/metrics.jsonl", steps);
    try {
      prune(options, p);
      ADD_FAILURE() << "was not interrupted";
    } catch (const Interrupted& error) {
      EXPECT_TRUE(has(error.what(), "--resume")) << error.what();
    }
  }
  static const std::string& uninterrupted() {
    static const std::string expected = [] {
      prune(recovering(), paths("whole"));
      return weights("whole");
    }();
    return expected;
  }
};

TEST_F(RecoveryTest, IsARunThatValidatesAndLogs) {
  PruneOptions o = recovering();
  o.recovery.best_by = "R@5";
  const Json report = prune(o, paths("logged"));
  EXPECT_FALSE(fs::exists(at("logged.recovery")));
  EXPECT_EQ(report["recovery"]["steps"], 20);
  EXPECT_EQ(report["recovery"]["best"]["by"], "R@5");
  EXPECT_EQ(report["val"]["recovered"], report["recovery"]["best"]["val"]);
  EXPECT_EQ(report["recovery"]["out"], at("logged/recovery"));

  // What `report` shows of a run, in a checkpoint that is whole with it.
  const fs::path log = at("logged/recovery");
  EXPECT_EQ(read_run_description(log)["options"]["validate_every"], 6);
  EXPECT_TRUE(fs::exists(log / "examples.json"));
  EXPECT_FALSE(fs::is_empty(log / "tensorboard"));
  int steps = 0, validations = 0;
  std::istringstream lines(read_file(log / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) ++(has(line, "\"val\"") ? validations : steps);
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(validations, 4);  // after 6, 12, 18 and 20 steps
  EXPECT_NO_THROW(load_checkpoint(at("logged")));
  EXPECT_TRUE(read_json(at("logged/config.json"))["files"].contains("recovery/metrics.jsonl"));
  EXPECT_NO_THROW(prune(options(), overwriting("logged")));  // which knows all of it for its own
  EXPECT_FALSE(fs::exists(log));
}

TEST_F(RecoveryTest, GoesOnToTheVeryWeightsOfAnUninterruptedOne) {
  for (const std::size_t steps : {1u, 9u, 17u}) {
    interrupt(recovering(), paths("stopped"), steps);
    EXPECT_FALSE(fs::exists(at("stopped")));
    const Json report = prune(PruneOptions(), resuming("stopped"));  // options, checkpoint and data are remembered
    EXPECT_TRUE(weights("stopped") == uninterrupted()) << "after " << steps;
    EXPECT_EQ(report["neurons"]["before"], 4 * 64);
    for (const char* stage : {"before", "pruned", "recovered"}) EXPECT_TRUE(report["val"][stage].contains("text_to_image"));
    EXPECT_FALSE(fs::exists(at("stopped.recovery")));
    fs::remove_all(at("stopped"));
  }
}

TEST_F(RecoveryTest, GoesOnFromWhereverItWasKilled) {
  interrupt(recovering(), paths("killed"), 5);
  fs::copy(at("killed.recovery"), at("kept"), fs::copy_options::recursive);
  const auto again = [&](const std::string& what) {
    prune(PruneOptions(), resuming("killed"));
    EXPECT_TRUE(weights("killed") == uninterrupted()) << what;
    EXPECT_FALSE(fs::exists(at("killed.recovery"))) << what;
  };
  const auto put_back = [&] {
    for (const char* name : {"killed", "killed.recovery"}) fs::remove_all(at(name));
    fs::copy(at("kept"), at("killed.recovery"), fs::copy_options::recursive);
  };
  put_back();
  fs::remove_all(at("killed.recovery/run"));
  again("before the run began");
  put_back();
  fs::remove(at("killed.recovery/run/state.safetensors"));
  again("between a checkpoint of the run and its first state");

  // Between the result and the removal of what it was made from.
  fs::copy(at("kept"), at("killed.recovery"), fs::copy_options::recursive);
  EXPECT_TRUE(has(invalid_input_of([&] { prune(PruneOptions(), resuming("killed")); }), "--overwrite"));  // not known as its own
  fs::copy_file(at("killed/recovery/metrics.jsonl"), at("killed.recovery/run/metrics.jsonl"),
                fs::copy_options::overwrite_existing);
  again("after the result was written");
}

TEST_F(RecoveryTest, GoesOnWhereItWasMovedTo) {
  interrupt(recovering(), paths("here/pruned"), 9);
  fs::rename(at("here"), at("there"));
  prune(recovering(), resuming("there/pruned"));
  EXPECT_EQ(weights("there/pruned"), uninterrupted());
  EXPECT_FALSE(fs::exists(at("there/pruned.recovery")));
}

TEST_F(RecoveryTest, KeepsTheOlderCheckpointUntilItIsDone) {
  prune(options(), paths("older"));
  const std::string before = weights("older");
  interrupt(recovering(), overwriting("older"), 3);
  EXPECT_EQ(weights("older"), before);
  prune(PruneOptions(), resuming("older"));  // --overwrite is remembered too
  EXPECT_TRUE(weights("older") == uninterrupted());
}

TEST_F(RecoveryTest, AnInterruptedOneIsNotDroppedUnasked) {
  interrupt(recovering(), paths("again"), 3);
  const std::string message = invalid_input_of([&] { prune(recovering(), paths("again")); });
  EXPECT_TRUE(has(message, "again.recovery") && has(message, "--resume") && has(message, "--overwrite")) << message;
  EXPECT_TRUE(fs::exists(at("again.recovery/run/state.safetensors")));
  EXPECT_TRUE(has(invalid_input_of([&] {
                PrunePaths p = overwriting("again");
                p.checkpoint = at("again.recovery/pruned");
                prune(options(), p);
              }),
                  "would go with it"));
  test::write_text(at("again.recovery/notes.txt"), "x");
  EXPECT_TRUE(has(invalid_input_of([&] { prune(options(), overwriting("again")); }), "notes.txt"));
  prune(PruneOptions(), resuming("again"));
  EXPECT_TRUE(fs::exists(at("again.recovery/notes.txt")));
  EXPECT_FALSE(fs::exists(at("again.recovery/run")));
  fs::remove_all(at("again.recovery"));

  interrupt(recovering(), overwriting("again"), 3);
  prune(options(), overwriting("again"));
  EXPECT_FALSE(fs::exists(at("again.recovery")));
}

TEST_F(RecoveryTest, RefusesWhatIsNotToBeResumed) {
  const auto refused = [&](auto change) {
    PruneOptions o;
    PrunePaths p = resuming("other");
    change(o, p);
    return invalid_input_of([&] { prune(o, p); });
  };
  const auto nothing = [](PruneOptions&, PrunePaths&) {};
  EXPECT_TRUE(has(refused(nothing), "prune without --resume"));
  prune(options(), paths("other"));
  EXPECT_TRUE(has(refused(nothing), "prune without --resume"));
  fs::remove_all(at("other"));

  interrupt(recovering(), paths("other"), 3);
  EXPECT_TRUE(has(refused([](PruneOptions& o, PrunePaths&) { o.mlp_ratio = 0.4; }), "mlp_ratio was 0.3 and is now 0.4"));
  EXPECT_TRUE(has(refused([](PruneOptions& o, PrunePaths&) { o.recovery.optimizer.lr = 1; }), "recovery.optimizer.lr"));
  EXPECT_TRUE(has(refused([](PruneOptions& o, PrunePaths& p) {
                    o.recovery.steps = 0;  // a default, but named
                    p.named = {{"recovery", {{"steps", 0}}}};
                  }),
                  "recovery.steps"));
  EXPECT_TRUE(has(refused([](PruneOptions&, PrunePaths& p) { p.checkpoint = at("adapter/final"); }), "--checkpoint"));
  test::write_tiny_dataset(at("other-data"), /*with_val=*/false);
  EXPECT_TRUE(has(refused([](PruneOptions&, PrunePaths& p) { p.data = at("other-data"); }), "holds other data"));
  EXPECT_TRUE(fs::exists(at("other.recovery/run/state.safetensors")));

  // What changes no step may change; all else may be repeated.
  PruneOptions o = recovering();
  o.recovery.saving.every_steps = 7;
  o.recovery.loading.threads = 1;
  PrunePaths p = paths("other");
  p.resume = true;
  prune(o, p);
  EXPECT_TRUE(weights("other") == uninterrupted());
}

TEST(RecoveryFormats, APruningInterruptedInVersion1GoesOnWithItsOptions) {
  PruneOptions o;
  PrunePaths p;
  p.out = (test::golden("formats/v1/pruning.recovery").parent_path() / "pruning").string();
  p.data = test::golden("formats/v1/dataset").string();
  p.resume = true;
  settle_pruning(o, p);
  EXPECT_EQ(p.checkpoint, "checkpoint");
  EXPECT_EQ(o.recovery.steps, 1000000);
  EXPECT_EQ(o.recovery.batch, 3);
}

TEST_F(RecoveryTest, AnAdapterOfItStandsOnItsOwn) {
  for (const char* type : {"fp32", "bf16"}) {
    PruneOptions o = options();
    o.recovery.steps = 3;
    o.recovery.lora_mode = "adapter";
    o.recovery.lora.rank = 2;
    o.recovery.base_type = type;
    prune(o, overwriting("adapted"));
    const Checkpoint adapted = load_checkpoint(at("adapted"));
    EXPECT_TRUE(adapted.model->has_lora());
    EXPECT_EQ(adapted.base->directory, at("adapted"));
  }
}

TEST_F(RecoveryTest, WithoutAValidationSplitTheLastStepIsTheBest) {
  test::write_tiny_dataset(at("no-val"), /*with_val=*/false);
  PruneOptions o = options();
  o.recovery.steps = 3;
  PrunePaths p = paths("unvalidated");
  p.data = at("no-val");
  const Json report = prune(o, p);
  EXPECT_EQ(report["recovery"]["best"]["step"], 3);
  EXPECT_TRUE(report["val"]["recovered"].is_null());
}

TEST_F(RecoveryTest, OneOfSeveralProcessesIsRefused) {
  ::setenv("RANK", "0", 1);
  for (const char* name : {"WORLD_SIZE", "LOCAL_WORLD_SIZE"}) ::setenv(name, "2", 1);
  const std::string message = invalid_input_of([&] { prune(recovering(), paths("ranked")); });
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"}) ::unsetenv(name);
  EXPECT_TRUE(has(message, "one process")) << message;
}

TEST_F(RecoveryTest, RoundsGoOnFromWhereverTheyWereInterrupted) {
  PruneOptions o = recovering();
  o.recovery.steps = 8;
  o.rounds = 3;
  o.mlp_ratio = 0.5;
  o.sparsity = 0.3;
  prune(o, paths("rounds"));
  const std::string expected = weights("rounds");
  for (const int round : {1, 2, 3}) {
    const fs::path beside = at("stopped.recovery");
    {
      const test::InterruptAfter interrupt(beside / "run/metrics.jsonl", 3,
                                           round == 1 ? fs::path() : beside / "rounds" / std::to_string(round - 1));
      EXPECT_THROW(prune(o, paths("stopped")), Interrupted);
    }
    EXPECT_EQ(read_json(beside / "prune.json")["round"], round);
    if (round == 2) fs::remove_all(beside / "run");  // as if killed before its run began
    const Json report = prune(PruneOptions(), resuming("stopped"));
    EXPECT_TRUE(weights("stopped") == expected) << round;
    EXPECT_EQ(report["rounds"].size(), 2u);
    EXPECT_FALSE(fs::exists(beside));
    fs::remove_all(at("stopped"));
  }
}

TEST_F(RecoveryTest, ANoteInItsFolderIsNoReasonToRefuseTheNextRound) {
  PruneOptions o = recovering();
  o.recovery.steps = 4;
  o.rounds = 2;
  interrupt(o, paths("noted"), 2);
  const fs::path beside = at("noted.recovery");
  test::write_text(beside / "notes.txt", "mine");
  prune(PruneOptions(), resuming("noted"));
  EXPECT_TRUE(fs::exists(beside / "notes.txt"));
  EXPECT_FALSE(fs::exists(beside / "prune.json"));
  fs::remove_all(beside);
}

}  // namespace
}  // namespace edgeclip
