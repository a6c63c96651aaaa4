#include "train/run_folder.h"

#include "base/file.h"
#include "base/safetensors.h"
#include "model/checkpoint.h"
#include "support/support.h"
#include "train/train.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

TEST(RunFolder, MadeWithItsParents) {
  const test::TempDir folder;
  RunFolder(folder / "a/b/run", RunFolder::Use::kNew).start({{"options", 1}});
  EXPECT_TRUE(fs::exists(folder / "a/b/run/run.json"));
}

TEST(RunFolder, RefusesAnythingThatIsNoRun) {
  const test::TempDir folder;
  fs::create_directories(folder / "photos");
  test::write_text(folder / "photos/holiday.jpg", "x");
  const std::string message =
      test::invalid_input_of([&] { RunFolder(folder / "photos", RunFolder::Use::kNew); });
  EXPECT_NE(message.find("photos"), std::string::npos) << message;
  test::write_text(folder / "file", "x");
  EXPECT_NE(test::invalid_input_of([&] { RunFolder(folder / "file", RunFolder::Use::kNew); }), "");
  EXPECT_NE(test::invalid_input_of([&] { RunFolder(folder / "file" / "run", RunFolder::Use::kNew); }), "");
  EXPECT_NE(test::invalid_input_of([&] { RunFolder("", RunFolder::Use::kNew); }), "");
}

TEST(RunFolder, ANewRunReplacesTheOldOnesArtifactsOnceItHasSavedSomething) {
  const test::TempDir folder;
  {
    RunFolder run(folder / "run", RunFolder::Use::kNew);
    run.start({{"n", 1}});
    fs::create_directories(run.best());
    for (const fs::path& file :
         {run.best() / "config.json", run.state(), run.metrics(), run.directory() / "notes.txt"})
      test::write_text(file, "x");
  }
  const std::string message =
      test::invalid_input_of([&] { RunFolder(folder / "run", RunFolder::Use::kNew); });
  EXPECT_NE(message.find("--overwrite"), std::string::npos) << message;
  {
    RunFolder given_up(folder / "run", RunFolder::Use::kOverwrite);
    given_up.start({{"n", 2}});
    EXPECT_TRUE(given_up.replaces_another());
    test::write_text(given_up.metrics(), "y");
  }
  EXPECT_EQ(read_json(folder / "run/run.json")["n"], 1);
  EXPECT_EQ(read_file(folder / "run/metrics.jsonl"), "x");
  EXPECT_FALSE(fs::exists(folder / "run/.next"));

  RunFolder again(folder / "run", RunFolder::Use::kOverwrite);
  again.start({{"n", 3}});
  test::write_text(again.state(), "y");
  EXPECT_TRUE(fs::exists(folder / "run/best"));
  again.keep();
  EXPECT_FALSE(again.replaces_another());
  EXPECT_FALSE(fs::exists(again.best()));
  EXPECT_FALSE(fs::exists(again.metrics()));
  EXPECT_EQ(read_file(folder / "run/state.safetensors"), "y");
  EXPECT_TRUE(fs::exists(again.directory() / "notes.txt"));
  EXPECT_EQ(again.description()["n"], 3);
}

TEST(RunFolder, OneProcessAtATime) {
  const test::TempDir folder;
  RunFolder run(folder / "run", RunFolder::Use::kNew);
  run.start({{"n", 1}});
  const std::string message = test::invalid_input_of([&] {
    RunFolder(folder / "run", RunFolder::Use::kNew).start({{"n", 2}});
  });
  EXPECT_NE(message.find("another process"), std::string::npos) << message;
  EXPECT_EQ(run.description()["n"], 1);
}

TEST(RunFolder, ResumeNeedsAState) {
  const test::TempDir folder;
  const std::string message =
      test::invalid_input_of([&] { RunFolder(folder / "run", RunFolder::Use::kResume); });
  EXPECT_NE(message.find("--resume"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(RunFolder, Format1StaysReadable) {
  const RunFolder run(test::golden("formats/v1/run"), RunFolder::Use::kResume);
  TrainOptions options;
  options_from_json(run.description().at("options"), options, "run.json: options.");
  EXPECT_EQ(options.steps, 2);
  EXPECT_EQ(options.augment.flip.probability, 0.5);  // "flip": true of the file
  EXPECT_EQ(options.augment.flip.sides, "ignore");
  const SafetensorsFile state(run.state());
  EXPECT_EQ(state.metadata().at("format"), "1");
  EXPECT_EQ(state.metadata().at("step"), "2");
  NamedTensors tensors;
  for (const auto& name : state.names()) tensors.emplace_back(name, state.get(name));
  EXPECT_EQ(state.metadata().at("tensors"), tensors_hash(tensors));
}

TEST(RequireSameOptions, NamesTheFirstDifference) {
  const Json before = {{"batch", 8}, {"optimizer", {{"lr", 0.1}, {"eps", 1e-6}}}};
  Json now = before;
  EXPECT_NO_THROW(require_same_options(before, now, "run.json"));
  now["optimizer"]["lr"] = 0.2;
  const std::string message = test::invalid_input_of([&] { require_same_options(before, now, "run.json"); });
  EXPECT_NE(message.find("optimizer.lr was 0.1 and is now 0.2"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
