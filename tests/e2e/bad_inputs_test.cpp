#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "process.h"
#include "support/support.h"

/// What users do wrong, on the files that the pipeline left: one line that names the remedy, exit code 2, and
/// nothing left behind, not even a hidden temporary file.
namespace edgeclip::test {
namespace {

namespace fs = std::filesystem;

class BadInputs : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(work() / "plan/plan.json")) FAIL() << "run the Pipeline tests first: they make the files";
  }

  /// A copy of one of the pipeline's folders, to be damaged.
  fs::path copy(const std::string& name) {
    const fs::path to = dir_ / fs::path(name).filename().string();
    fs::copy(work() / name, to, fs::copy_options::recursive);
    return to;
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  static std::string made(const std::string& name) { return (work() / name).string(); }

  /// part: what the message must name.
  void expect_refused(const std::vector<std::string>& args, const std::string& part) {
    // The edge program where it has the command: it starts faster, and is held to the same.
    static const std::set<std::string> kEdge = {"build", "evaluate", "index", "search"};
    const bool edge = kEdge.count(args.front()) != 0;
    std::vector<std::string> command = {edge ? EDGECLIP_EDGE_PROGRAM : EDGECLIP_PROGRAM};
    command.insert(command.end(), args.begin(), args.end());
    const auto before = listing(dir_.path());
    const ProcessResult result = run(command);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(result.err.rfind(edge ? "edgeclip-edge: error: " : "edgeclip: error: ", 0), 0u) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(listing(dir_.path()), before);
  }

  TempDir dir_;
};

TEST_F(BadInputs, TruncatedSafetensors) {
  const fs::path weights = copy("run/final") / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) / 2);
  expect_refused({"export", "--checkpoint", at("final"), "--out", at("bundle")}, "model.safetensors");
}

TEST_F(BadInputs, UnknownKey) {
  write_text(dir_ / "c.json", R"({"optimizer": {"learning_rte": 0.1}})");
  expect_refused({"train", "--config", at("c.json"), "--data", made("dataset"), "--out", at("run")},
                 "optimizer.learning_rte: unknown key");
}

TEST_F(BadInputs, MissingImage) {
  expect_refused({"search", "--plan", made("plan"), "--gallery", made("gallery"), "--image", at("none.jpg"),
                  "--csv", at("hits.csv")},
                 "none.jpg");
}

TEST_F(BadInputs, ZeroBytePlan) {
  const fs::path plan = copy("plan");
  fs::resize_file(plan / "image.plan", 0);
  expect_refused({"search", "--plan", plan.string(), "--gallery", made("gallery"), "--text", "a man"},
                 "image.plan");
}

TEST_F(BadInputs, PlanOfAnotherFormatVersion) {
  const fs::path plan = copy("plan");
  Json json = read_json(plan / "plan.json");
  ASSERT_TRUE(json.at("format").is_number_integer());
  json["format"] = 99;
  write_json(plan / "plan.json", json);
  expect_refused({"evaluate", "--plan", plan.string(), "--data", made("dataset")}, "99");
}

TEST_F(BadInputs, AnnotationWithoutCaptions) {
  fs::create_directory(dir_ / "images");
  write_text(dir_ / "a.json", R"([{"split": "train", "id": 1, "file_path": "a.jpg"}])");
  expect_refused({"prepare", "--annotations", at("a.json"), "--images", at("images"), "--out", at("dataset")},
                 "a.json");
}

TEST_F(BadInputs, VideoThatCannotBeOpened) {
  fs::create_directory(dir_ / "videos");
  write_text(dir_ / "videos/v.avi", "no video");
  write_text(
      dir_ / "a.json",
      R"([{"split": "train", "id": 1, "video": "v.avi", "frame": 0, "box": [0, 0, 8, 8], "captions": ["a man"]}])");
  expect_refused({"prepare", "--format", "video", "--annotations", at("a.json"), "--images", at("videos"),
                  "--out", at("dataset")},
                 "v.avi");
}

TEST_F(BadInputs, SettingOfAWrongType) {
  expect_refused({"train", "--set", "batch=many", "--data", made("dataset"), "--out", at("run")}, "batch");
}

TEST_F(BadInputs, BatchAboveTheDataset) {
  expect_refused({"train", "--config", made("tiny.json"), "--data", made("dataset"), "--out", at("run"),
                  "--batch", "60000"},
                 "set batch to at most ");
}

TEST_F(BadInputs, OutputBelowARegularFile) {
  write_text(dir_ / "file", "x");
  const std::string out = at("file") + "/out";
  expect_refused({"export", "--checkpoint", made("run/final"), "--out", out}, "file/out");
  expect_refused({"train", "--config", made("tiny.json"), "--data", made("dataset"), "--out", out},
                 "file/out");
  expect_refused({"build", "--bundle", made("bundle"), "--out", out}, "file/out");
  expect_refused({"index", "--plan", made("plan"), "--images", made("dataset"), "--out", out}, "file/out");
}

TEST_F(BadInputs, QueryInInvalidUtf8) {
  expect_refused({"search", "--plan", made("plan"), "--gallery", made("gallery"), "--text", "a \xff man",
                  "--csv", at("hits.csv")},
                 "UTF-8");
}

TEST_F(BadInputs, GalleryOfAnotherPrecision) {
  expect_refused({"search", "--plan", made("plan-int8"), "--gallery", made("gallery"), "--text", "a man",
                  "--same-precision"},
                 "search it with the fp32 plan");
}

TEST_F(BadInputs, UnknownCommand) { expect_refused({"serach"}, "did you mean \"search\""); }

TEST_F(BadInputs, NotAFolderOfOurs) {
  fs::create_directory(dir_ / "mine");
  write_text(dir_ / "mine/notes.txt", "do not delete");
  expect_refused({"build", "--bundle", made("bundle"), "--out", at("mine")}, "mine");
}

TEST_F(BadInputs, FolderOfAnotherTool) {
  fs::create_directory(dir_ / "hf");
  write_text(dir_ / "hf/config.json", R"({"model_type": "clip"})");
  write_text(dir_ / "hf/pytorch_model.bin", "do not delete");
  expect_refused({"merge", "--checkpoint", made("run/final"), "--out", at("hf")}, "hf");
}

TEST_F(BadInputs, MissingParentsAreNotLeftBehind) {
  expect_refused({"build", "--bundle", at("none"), "--out", at("x/y/plan")}, "none");
  expect_refused({"merge", "--checkpoint", at("none"), "--out", at("x/y/merged")}, "none");
}

TEST_F(BadInputs, DamagedWeights) {
  const fs::path weights = copy("run/final") / "model.safetensors";
  std::string bytes = read_file(weights);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(weights, bytes);
  expect_refused({"export", "--checkpoint", at("final"), "--out", at("bundle")}, "is damaged");
}

/// Not the user's input but a check that fails: exit 3, with the report.
TEST_F(BadInputs, NotANumberIsOutsideTolerance) {
  const fs::path bundle = copy("bundle"), file = bundle / "reference.safetensors";
  NamedTensors tensors;
  {
    const SafetensorsFile reference(file);
    for (const auto& name : reference.names()) tensors.emplace_back(name, reference.get(name).clone());
  }
  for (auto& [name, tensor] : tensors)
    if (name == "image/b1/image_embeds") tensor.data<float>()[0] = std::nanf("");
  write_safetensors(file, tensors);
  Json head = read_json(bundle / "bundle.json");
  head["files"]["reference.safetensors"] = {{"bytes", fs::file_size(file)}, {"xxh3", hash_file(file)}};
  write_json(bundle / "bundle.json", head);
  const ProcessResult result =
      run({EDGECLIP_EDGE_PROGRAM, "verify", "--bundle", bundle.string(), "--json", "-"});
  EXPECT_EQ(result.code, 3) << result.err;
  const Json report = Json::parse(result.out);
  EXPECT_FALSE(report.at("passed").get<bool>());
  EXPECT_TRUE(report.at("cases").at(0).at("cosine").is_null()) << report.dump();
}

/// A file system of 1 MB, for as long as the object lives.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : path_(at) {
    fs::create_directory(at);
    mounted_ = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=1m") == 0;
    error_ = errno;
  }
  ~SmallDisk() {
    if (mounted_) ::umount(path_.c_str());
  }
  bool mounted() const { return mounted_; }
  std::string error() const { return std::strerror(error_); }

 private:
  const fs::path path_;
  bool mounted_ = false;
  int error_ = 0;
};

TEST(FullDisk, LeavesNothingBehind) {
  const TempDir dir;
  const SmallDisk disk(dir / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "needs to mount a tmpfs: " << disk.error();
  const ProcessResult result = run({EDGECLIP_PROGRAM, "synthesize", "--out", (dir / "disk/dataset").string(),
                                    "--people", "200", "--test-people", "20", "--val-people", "10"});
  EXPECT_EQ(result.code, 4) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
  EXPECT_TRUE(fs::is_empty(dir / "disk")) << "left: " << listing(dir / "disk").size() << " files";
}

TEST(Interrupt, TrainingEndsWithACheckpoint) {
  const TempDir dir;
  Process train({EDGECLIP_PROGRAM, "train", "--config", (work() / "tiny.json").string(), "--data",
                 (work() / "dataset").string(), "--out", (dir / "run").string(), "--set", "steps=1000000",
                 "--threads", "1"});
  const auto log = dir / "run/metrics.jsonl";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (train.running() && (!fs::exists(log) || fs::file_size(log) == 0) &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_TRUE(train.running()) << train.wait().err;
  train.signal(SIGINT);
  const ProcessResult result = train.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  const ProcessResult inspect =
      run({EDGECLIP_EDGE_PROGRAM, "inspect", (dir / "run/final").string(), "--json", "-"});
  ASSERT_EQ(inspect.code, 0) << inspect.err;
  EXPECT_EQ(Json::parse(inspect.out).at("kind"), "checkpoint");
}

TEST(Interrupt, TermEndsDrawingAndBenchingWithNothingHalfWritten) {
  const TempDir dir;
  const std::vector<std::vector<std::string>> commands = {
      {EDGECLIP_PROGRAM, "synthesize", "--out", (dir / "dataset").string(), "--people", "9000"},
      {EDGECLIP_EDGE_PROGRAM, "bench", "--plan", (work() / "plan").string(), "--data",
       (work() / "dataset").string(), "--queries", "100000000", "--json", (dir / "bench.json").string()}};
  for (const auto& command : commands) {
    Process process(command);
    ASSERT_TRUE(process.wait_until_it_handles(SIGTERM)) << process.wait().err;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // into its work
    process.signal(SIGTERM);
    const ProcessResult result = process.wait();
    EXPECT_EQ(result.code, 130) << result.err;
    const fs::path report = dir / "bench.json";  // what was measured by then; nothing, if the signal came before the first query
    if (fs::exists(report)) {
      const Json json = read_json(report);
      EXPECT_EQ(json.at("interrupted"), true) << json;
      EXPECT_GE(json.at("total_queries"), 1) << json;
      fs::remove(report);
    }
    EXPECT_TRUE(fs::is_empty(dir.path())) << command[1] << " left " << listing(dir.path()).size() << " files";
  }
}

}  // namespace
}  // namespace edgeclip::test
