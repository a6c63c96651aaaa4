#include <gtest/gtest.h>

#include "base/file.h"
#include "cli/workshop/workshop_commands.h"
#include "compress/prune.h"
#include "support/support.h"

/// What --print-config shows is what is in force, and nothing that was set is without effect.
namespace edgeclip {
namespace {

Json printed(const Command& command, const std::vector<std::string>& settings,
             const std::vector<std::string>& files = {}) {
  CommonOptions common;
  common.set = settings;
  common.config = files;
  return command.resolved(common);
}

std::string refused(const std::unique_ptr<Command>& command, const std::vector<std::string>& settings,
                    const std::vector<std::string>& files = {}) {
  return test::invalid_input_of([&] { printed(*command, settings, files); });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(TrainCommand, PrintsTheImageSizeOfTheModel) {
  const Json config =
      printed(*train_command(), {"model.vision.image_height=64", "model.vision.patch_size=16"});
  EXPECT_EQ(config["image"]["height"], 64);
  const test::TempDir dir;
  write_json(dir / "c.json", config);
  EXPECT_EQ(printed(*train_command(), {}, {(dir / "c.json").string()}), config);
}

TEST(TrainCommand, RefusesWhatWouldHaveNoEffect) {
  EXPECT_TRUE(has(refused(train_command(), {"image.height=128"}), "model.vision.image_height is 96"));
  EXPECT_TRUE(
      has(refused(train_command(), {"model.vision.image_height=64", "image.height=96"}), "set that one"));
  EXPECT_TRUE(has(refused(train_command(), {"lora.rank=4"}), "lora_mode to adapter"));
  EXPECT_TRUE(has(refused(train_command(), {"lora.rank=16"}), "--lora-mode adapter"));
  EXPECT_NO_THROW(printed(*train_command(), {"lora.rank=4", "lora_mode=adapter"}));
  const test::TempDir dir;
  test::write_text(dir / "c.json", R"({"image": {"width": 32}})");
  EXPECT_TRUE(
      has(refused(train_command(), {}, {(dir / "c.json").string()}), "model.vision.image_width is 48"));
}

TEST(TrainCommand, WithInitPrintsTheCheckpointsArchitectureAndImages) {
  const std::string init = "init=" + test::golden("formats/v1/checkpoint").string();
  const Json config = printed(*train_command(), {init, "image.exif=apply"});
  EXPECT_EQ(config["model"]["vision"]["image_height"], 32);
  EXPECT_EQ(config["image"]["height"], 32);
  EXPECT_EQ(config["image"]["exif"], "apply");
  const test::TempDir dir;
  write_json(dir / "c.json", config);
  EXPECT_EQ(printed(*train_command(), {}, {(dir / "c.json").string()}), config);
  EXPECT_TRUE(has(refused(train_command(), {init, "image.height=96"}), "image.height: 96 was asked for"));
  EXPECT_TRUE(has(refused(train_command(), {init, "model.projection_dim=128"}),
                  "the architecture comes with --init"));
  // Of no model at all: that it comes with the checkpoint is what there is to say.
  EXPECT_TRUE(has(refused(train_command(), {init, "model.vision.image_height=50"}),
                  "the architecture comes with --init"));
}

TEST(SynthesizeCommand, PrintsHowThePeopleAreDivided) {
  const Json config = printed(*synthesize_command(), {"people=30"});
  EXPECT_EQ(config["test_people"], 7);
  EXPECT_EQ(config["val_people"], 1);
}

TEST(PruneCommand, RefusesKeysWithoutEffect) {
  EXPECT_TRUE(has(refused(prune_command(), {"recovery.model.projection_dim=64"}), "unknown key"));
  EXPECT_TRUE(has(refused(prune_command(), {"recovery.image.height=64"}), "unknown key"));
  EXPECT_EQ(printed(*prune_command(), {})["recovery"]["best_by"], "mAP");
}

TEST(PruneCommand, TheNeuronsUsualPartStandsAlone) {
  EXPECT_EQ(printed(*prune_command(), {})["mlp_ratio"], 0.3);
  for (const char* goal : {"sparsity=0.5", "blocks=1", "head_ratio=0.5", "target_macs=0.5"})
    EXPECT_EQ(printed(*prune_command(), {goal})["mlp_ratio"], 0) << goal;
  EXPECT_EQ(printed(*prune_command(), {"sparsity=0.5", "mlp_ratio=0.3"})["mlp_ratio"], 0.3) << "asked for, though it is the default";
  EXPECT_TRUE(has(refused(prune_command(), {"target_macs=0.5", "mlp_ratio=0.3"}), "mlp_ratio"));
}

TEST(PruneCommand, ResumesWithWhatItWasStartedWith) {
  const test::TempDir dir;
  const std::vector<std::string> resume = {"out=" + (dir / "small/").string(), "resume=true"};
  EXPECT_TRUE(has(refused(prune_command(), {"resume=true"}), "--out is required"));
  EXPECT_TRUE(has(refused(prune_command(), resume), "no pruning into"));

  PruneOptions started;
  started.mlp_ratio = 0.4;
  started.recovery.steps = 9;
  started.recovery.saving.every_steps = 3;
  std::filesystem::create_directories(dir / "small.recovery");
  write_json(dir / "small.recovery/prune.json", {{"format", 1},
                                                 {"edgeclip", "0"},
                                                 {"checkpoint", "large"},
                                                 {"data", dir.path().string()},
                                                 {"image_root", ""},
                                                 {"overwrite", false},
                                                 {"options", options_to_json(started)}});
  const auto with = [&](const std::string& setting) {
    std::vector<std::string> settings = resume;
    settings.push_back(setting);
    return settings;
  };
  const Json config = printed(*prune_command(), resume);
  EXPECT_EQ(config["checkpoint"], "large");
  EXPECT_EQ(config["data"], dir.path().string());
  EXPECT_EQ(config["mlp_ratio"], 0.4);
  EXPECT_EQ(config["recovery"]["steps"], 9);
  // Named, also where it is the default: what changes no step changes, all else is refused.
  EXPECT_EQ(printed(*prune_command(), with("recovery.saving.every_steps=0"))["recovery"]["saving"]["every_steps"], 0);
  EXPECT_TRUE(has(refused(prune_command(), with("mlp_ratio=0.3")), "mlp_ratio was 0.4 and is now 0.3"));
  EXPECT_TRUE(has(refused(prune_command(), with("recovery.batch=8")), "recovery.batch was 64 and is now 8"));
  EXPECT_TRUE(has(refused(prune_command(), with("checkpoint=other")), "leave --checkpoint out"));
  write_json(dir / "small.recovery/prune.json", {{"format", 2}, {"edgeclip", "9"}});
  EXPECT_TRUE(has(refused(prune_command(), resume), "prune.json"));
}

}  // namespace
}  // namespace edgeclip
