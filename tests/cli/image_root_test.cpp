#include <filesystem>
#include <vector>

#include "base/json.h"
#include "builder/build_plan.h"
#include "cli/runtime/command.h"
#include "data/image/image.h"
#include "support/support.h"

/// Every command that reads the images of a dataset or a gallery, with images that were moved.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code;
  std::string err;
};

Outcome run(std::vector<std::string> args) {
  args.insert(args.begin(), "edgeclip-edge");
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code =
      run_program(static_cast<int>(args.size()), argv.data(), "edgeclip-edge", runtime_commands());
  testing::internal::GetCapturedStdout();
  return {code, testing::internal::GetCapturedStderr()};
}

class MovedImages : public testing::Test {
 protected:
  /// The dataset and the gallery of it say that its images are below /gone; they are below elsewhere/.
  MovedImages() {
    for (const char* name : {"dataset", "gallery"})
      fs::copy(test::golden(std::string("formats/v1/") + name), dir_ / name, fs::copy_options::recursive);
    fs::create_directory(dir_ / "elsewhere");
    fs::rename(dir_ / "dataset/images", dir_ / "elsewhere/images");
    edit("dataset/dataset.json", "images");
    edit("gallery/gallery.json", "image_root");
    builder::BuildOptions plan;
    plan.bundle = golden("bundle");
    plan.out = at("plan");
    const Json built = builder::build_plan(plan);
    edit("gallery/gallery.json", "model_hash", built["model_hash"]);
  }
  void edit(const char* file, const char* key, const Json& value = "/gone") {
    Json json = read_json(dir_ / file);
    json[key] = value;
    write_json(dir_ / file, json);
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  static std::string golden(const std::string& name) { return test::golden("formats/v1/" + name).string(); }

  void expect_needs_root(std::vector<std::string> command, const std::string& out) {
    SCOPED_TRACE(command[0]);
    command.push_back("--quiet");
    const Outcome without = run(command);
    EXPECT_EQ(without.code, kInvalidInput) << without.err;
    EXPECT_NE(without.err.find("are not below /gone any more"), std::string::npos) << without.err;
    EXPECT_NE(without.err.find("--image-root"), std::string::npos) << without.err;
    EXPECT_EQ(std::count(without.err.begin(), without.err.end(), '\n'), 1) << without.err;
    if (!out.empty()) {
      EXPECT_FALSE(fs::exists(out));
    }
    command.insert(command.end(), {"--image-root", at("elsewhere")});
    const Outcome with = run(command);
    EXPECT_EQ(with.code, kDone) << with.err;
    if (!out.empty()) {
      EXPECT_TRUE(fs::exists(out));
    }
  }

  test::TempDir dir_;
};

TEST_F(MovedImages, AreFoundWithTheOptionByEachCommandThatReadsThem) {
  const std::string plan = at("plan"), bundle = golden("bundle"), data = at("dataset"), out = at("out");
  expect_needs_root({"evaluate", "--plan", plan, "--data", data}, "");
  expect_needs_root({"bench", "--plan", plan, "--data", data, "--queries", "2"}, "");
  expect_needs_root({"index", "--plan", plan, "--images", data, "--out", out + "1"}, out + "1");
  expect_needs_root({"encode", "--plan", plan, "--images", data, "--out", out + "2"}, out + "2");
  expect_needs_root({"quantize", "--bundle", bundle, "--data", data, "--out", out + "3"}, out + "3");
  expect_needs_root({"build", "--bundle", bundle, "--precision", "int8", "--calibration", data, "--batches",
                     "1", "--memory-pool-mb", "16", "--out", out + "4"},
                    out + "4");
  expect_needs_root(
      {"search", "--plan", plan, "--gallery", at("gallery"), "--text", "a man", "--grid", at("g.png")},
      at("g.png"));
}

TEST_F(MovedImages, ATextAnswerNeedsNone) {
  EXPECT_EQ(run({"search", "--plan", at("plan"), "--gallery", at("gallery"), "--text", "a man"}).code, kDone);
  EXPECT_EQ(run({"inspect", at("dataset")}).code, kDone);
}

TEST_F(MovedImages, APictureOfSomeOfThemSaysHowManyAreMissing) {
  fs::remove(dir_ / "elsewhere/images/000000_0.png");
  fs::remove(dir_ / "elsewhere/images/000001_0.png");
  const Outcome outcome = run({"search", "--plan", at("plan"), "--gallery", at("gallery"), "--text", "a man",
                               "--grid", at("g.png"), "--image-root", at("elsewhere")});
  EXPECT_EQ(outcome.code, kDone) << outcome.err;
  EXPECT_NE(outcome.err.find("2 of 6 images are not in the grid"), std::string::npos) << outcome.err;
  EXPECT_GT(read_image(dir_ / "g.png").width, 100);
}

}  // namespace
}  // namespace edgeclip
