#include "train/run_replacement.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "model/checkpoint.h"
#include "support/support.h"
#include "train/interrupt_after.h"
#include "train/tiny_training.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"best/config.json",  "final/config.json", "tensorboard/events",
                                  "state.safetensors", "metrics.jsonl",     "run.json"};

/// A run whose artifacts hold `text`.
void make_run(const fs::path& folder, const std::string& text, const std::string& without = "") {
  for (const std::string name : kNames) {
    if (!without.empty() && name.rfind(without, 0) == 0) continue;
    fs::create_directories((folder / name).parent_path());
    test::write_text(folder / name, text);
  }
}

void expect_run(const fs::path& folder, const std::string& text, const std::string& without = "") {
  for (const std::string name : kNames) {
    if (!without.empty() && name.rfind(without, 0) == 0)
      EXPECT_FALSE(fs::exists(folder / fs::path(name).begin()->string())) << name;
    else
      EXPECT_EQ(read_file(folder / name), text) << name;
  }
  EXPECT_EQ(read_file(folder / "notes.txt"), "mine");
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
}

TEST(RunReplacement, PutsTheNewRunInPlaceAndLeavesWhatIsNotOurs) {
  const test::TempDir folder;
  make_run(folder.path(), "old");
  test::write_text(folder / "notes.txt", "mine");
  make_run(folder / kNextRun, "new", "final");
  EXPECT_TRUE(holds_trained_run(folder.path()));
  replace_run(folder.path());
  expect_run(folder.path(), "new", "final");
  EXPECT_FALSE(needs_finishing(folder.path()));
}

/// Killed after any of its steps: what lies there then is completed.
TEST(RunReplacement, IsCompletedWhereverItWasCutOff) {
  for (int done = 0; done <= 6; ++done) {
    const test::TempDir folder;
    make_run(folder.path(), "old");
    test::write_text(folder / "notes.txt", "mine");
    const fs::path next = folder / ".replacement";
    make_run(next, "new", "final");
    Json entries = Json::object();
    for (const char* name : {"best", "tensorboard", "state.safetensors", "metrics.jsonl", "run.json"}) {
      struct stat status {};
      ASSERT_EQ(::stat((next / name).c_str(), &status), 0);
      entries[name] = static_cast<std::uint64_t>(status.st_ino);
    }
    write_json(next / "entries.json", entries);
    const auto exchange = [&](const char* name) {
      fs::rename(folder / name, folder / "aside");
      fs::rename(next / name, folder / name);
      fs::rename(folder / "aside", next / name);
    };
    if (done >= 1) exchange("best");
    if (done >= 2) fs::rename(folder / "final", next / "final.old");
    if (done >= 3) exchange("state.safetensors");
    if (done == 4)
      fs::rename(folder / "metrics.jsonl", next / "metrics.jsonl.old");  // the first of two renames
    if (done >= 5) exchange("metrics.jsonl"), exchange("run.json");
    if (done >= 6) fs::remove_all(next / "best");  // and some of the old are gone
    EXPECT_TRUE(needs_finishing(folder.path()));
    EXPECT_EQ(read_file(run_json_in_force(folder.path())), "new") << "the run that is gone on with is the new one, after " << done;
    finish_replacement(folder.path());
    expect_run(folder.path(), "new", "final");
    EXPECT_EQ(run_json_in_force(folder.path()), folder / "run.json");
  }
}

class OverwriteTest : public test::TinyTraining {
 protected:
  static TrainPaths over(const std::string& out) {
    TrainPaths where = paths(out);
    where.overwrite = true;
    return where;
  }
  static std::string run_of(const std::string& out) { return read_file(at(out) / "run.json"); }
};

TEST_F(OverwriteTest, ARunThatSavesNothingLeavesTheOldOneWhole) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  train(options, paths("run"));
  const std::string run = run_of("run"), metrics = read_file(at("run/metrics.jsonl"));
  TrainOptions diverging = options;
  diverging.optimizer.lr = 1e30;
  diverging.optimizer.clip_norm = 0;
  diverging.epochs = 20;
  diverging.validate_every = 1000;
  EXPECT_NE(test::invalid_input_of([&] { train(diverging, over("run")); }), "");
  EXPECT_EQ(run_of("run"), run);
  EXPECT_EQ(read_file(at("run/metrics.jsonl")), metrics);
  EXPECT_FALSE(fs::exists(at("run") / kNextRun));
  EXPECT_NO_THROW(train(options, paths("run", "", true)));

  set_interrupted(true);  // before the first step
  EXPECT_THROW(train(diverging, over("run")), Interrupted);
  set_interrupted(false);
  EXPECT_EQ(run_of("run"), run);
  EXPECT_NO_THROW(load_checkpoint(at("run/best")));
}

TEST_F(OverwriteTest, TheOldRunGoesWhenTheNewOneHasSavedSomething) {
  TrainOptions options = test::tiny_train_options();
  options.epochs = 1;
  train(options, paths("second"));
  test::write_text(at("second/notes.txt"), "mine");
  options.seed = 9;
  options.epochs = 2;
  train(options, paths("like"));
  train(options, over("second"));
  EXPECT_EQ(weights_hash(load_checkpoint(at("second/final")).model),
            weights_hash(load_checkpoint(at("like/final")).model));
  EXPECT_EQ(read_json(at("second/run.json"))["options"]["seed"], 9);
  EXPECT_EQ(read_file(at("second/notes.txt")), "mine");
  EXPECT_FALSE(fs::exists(at("second") / kNextRun));
  std::size_t lines = 0;
  for (const char c : read_file(at("second/metrics.jsonl"))) lines += c == '\n';
  EXPECT_EQ(lines, 2u * (4 + 1)) << "steps and validations, before and after the replacement";
  EXPECT_NO_THROW(train(options, paths("second", "", true)));
}

}  // namespace
}  // namespace edgeclip
