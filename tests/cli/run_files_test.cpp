// What `run` reads and writes: files that appear together, none replaced unasked, refusals that name them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "base/file.h"
#include "base/npy.h"
#include "builder/small_model.h"
#include "cli/command_line.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
namespace small = engine::test;

class RunFiles : public testing::Test {
 protected:
  RunFiles() {
    small::write_small_model(dir_ / "m.onnx");
    write_npy(dir_ / "x.npy", small::random_floats({3, 6}, 3));
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  std::string x() const { return "x=" + at("x.npy"); }
  test::Outcome run(std::vector<std::string> args) const {
    args.insert(args.begin(), {"run", at("m.onnx"), "--quiet", "--input", x()});
    return test::run_edge(args);
  }
  void expect_refused(std::vector<std::string> args, const std::vector<std::string>& parts) const {
    args.insert(args.begin(), {"run", at("m.onnx")});
    test::expect_refused(args, parts);
  }
  test::TempDir dir_;
};

/// Files cannot grow beyond this while it lives: a disk that is full.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

TEST_F(RunFiles, OutputsAppearTogether) {
  small::write_two_outputs(dir_ / "m.onnx");
  {
    const FileLimit limit(1 << 14);  // a.npy fits, b.npy does not
    const test::Outcome outcome = run({"--out", at("out")});
    EXPECT_NE(outcome.code, kDone);
    EXPECT_NE(outcome.err.find("b.npy"), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  EXPECT_EQ(run({"--out", at("out")}).code, kDone);
  EXPECT_EQ(read_npy(dir_ / "out/b.npy").shape(), (Shape{3, 4096}));
  for (const auto& entry : fs::directory_iterator(dir_ / "out"))
    EXPECT_EQ(entry.path().extension(), ".npy") << entry.path();
}

TEST_F(RunFiles, NothingIsReplacedUnasked) {
  ASSERT_EQ(run({"--out", at("out"), "--profile", at("layers.json")}).code, kDone);
  write_npy(dir_ / "out/y.npy", small::random_floats({1}, 1));
  const std::string mine = read_file(dir_ / "out/y.npy");
  expect_refused({"--input", x(), "--out", at("out")}, {at("out/y.npy"), "is there already", "--overwrite"});
  expect_refused({"--input", x(), "--profile", at("layers.json")}, {at("layers.json"), "--overwrite"});
  EXPECT_EQ(read_file(dir_ / "out/y.npy"), mine);
  EXPECT_EQ(run({"--out", at("out"), "--profile", at("layers.json"), "--overwrite"}).code, kDone);
  EXPECT_EQ(read_npy(dir_ / "out/y.npy").shape(), (Shape{3, 4}));
  // Never what is read.
  expect_refused({"--input", x(), "--out", at("out"), "--load-refs", at("out"), "--overwrite"},
                 {"is also an input"});
  test::write_text(dir_ / "notes.json", "{}");
  expect_refused({"--input", x(), "--profile", at("notes.json"), "--overwrite"}, {"is not a report"});
}

TEST_F(RunFiles, AWrongInputIsNamedByItsFile) {
  write_npy(dir_ / "x.npy", Tensor(DType::f64, {3, 6}));
  expect_refused({"--input", x()}, {at("x.npy") + ": is (3, 6) float64; input x of " + at("m.onnx") +
                                    " is (batch, 6) float32; save it as such"});
  write_npy(dir_ / "x.npy", Tensor(DType::f32, {6}));
  expect_refused({"--input", x()}, {at("x.npy") + ": is (6,) float32"});
  expect_refused({}, {"input x of " + at("m.onnx") + " is missing: (batch, 6) float32", "--input x=F.npy"});
  expect_refused({"--input", "w=" + at("x.npy")},
                 {"w is a constant of " + at("m.onnx"), "only x can be given"});
  small::write_two_inputs(dir_ / "m.onnx");
  write_npy(dir_ / "l.npy", Tensor(DType::f32, {3, 2}));
  write_npy(dir_ / "r.npy", Tensor(DType::f32, {2, 2}));
  expect_refused({"--input", "left=" + at("l.npy"), "--input", "right=" + at("r.npy")},
                 {at("r.npy") + ": is (2, 2)", "batch is 3 in " + at("l.npy")});
}

TEST_F(RunFiles, WhatFailsAsItRunsIsNamedByItsModel) {
  small::write_lookup(dir_ / "m.onnx");
  write_npy(dir_ / "ids.npy", Tensor::from<std::int64_t>({3}, {0, 99, 1}));
  expect_refused({"--input", "ids=" + at("ids.npy")}, {at("m.onnx") + ": node ", "99", at("ids.npy")});
  small::write_wide(dir_ / "m.onnx");
  write_npy(dir_ / "x.npy", Tensor(DType::f32, {9000, 64}));
  expect_refused({"--input", x(), "--memory-pool-mb", "1"}, {at("m.onnx") + ": ", "--memory-pool-mb 3"});
}

TEST_F(RunFiles, OptionsWithoutEffectAreRefused) {
  expect_refused({"--input", x(), "--out", ""}, {"--out \"\"", "leave it out"});
  expect_refused({"--input", x(), "--rtol", "1e-3"}, {"--rtol: has no effect without --load-refs"});
  expect_refused({"--input", x(), "--set", "atol=1"}, {"--atol"});
  expect_refused({"--input", x(), "--sqnr-limit", "30"}, {"--compare-with"});
  expect_refused({"--input", x(), "--overwrite"}, {"--out or --profile"});
  expect_refused({"--input", x(), "--precision", "int8"},
                 {"unknown option \"--precision\"; it is one of build"});
}

TEST_F(RunFiles, ReferencesAreLookedForFirst) {
  fs::create_directories(dir_ / "refs");
  expect_refused({"--input", x(), "--out", at("out"), "--load-refs", at("refs")},
                 {at("refs/y.npy") + ": is missing"});
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

}  // namespace
}  // namespace edgeclip
