// What `run` measures and compares.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "base/npy.h"
#include "builder/small_model.h"
#include "cli/command_line.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace small = engine::test;

using test::Outcome;

Outcome run(std::vector<std::string> args) {
  args.insert(args.begin(), "run");
  return test::run_edge(args);
}

class Run : public testing::Test {
 protected:
  Run() {
    small::write_small_model(dir_ / "m.onnx");
    write_npy(dir_ / "x.npy", small::random_floats({3, 6}, 3));
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  std::string input() const { return "x=" + at("x.npy"); }
  /// The report of a run of these options.
  Json report_of(std::vector<std::string> args, int code = kDone) {
    args.insert(args.end(), {"--input", input(), "--json", at("report.json"), "--quiet"});
    const Outcome outcome = run(args);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    return read_json(dir_ / "report.json");
  }
  void expect_refused(std::vector<std::string> args, const std::string& part) {
    args.insert(args.end(), {"--input", input(), "--quiet"});
    const Outcome outcome = run(args);
    EXPECT_EQ(outcome.code, kInvalidInput) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
  void build_plan(const std::string& name, const std::string& precision) {
    const Outcome outcome = test::run_edge({"build", at("m.onnx"), "--shape", "x=1x6:3x6:4x6", "--out",
                                            at(name), "--precision", precision, "--quiet"});
    ASSERT_EQ(outcome.code, kDone) << outcome.err;
  }

  test::TempDir dir_;
};

TEST_F(Run, TimesWhatItWasAskedFor) {
  const Json report = report_of({at("m.onnx"), "--warmup", "2", "--iterations", "5"});
  EXPECT_EQ(report["warmup"], 2);
  EXPECT_EQ(report["iterations"], 5);
  for (const char* key : {"p10", "median", "p90", "p99"})
    EXPECT_GT(report["latency_ms"][key].get<double>(), 0) << key;
  EXPECT_GT(report["runs_per_s"].get<double>(), 0);
  for (const char* key : {"cpu_percent", "rss_mb", "anonymous_mb", "mapped_mb", "power_w"})
    EXPECT_TRUE(report.contains(key)) << key;
  const std::string text = run({at("m.onnx"), "--input", input(), "--iterations", "3"}).out;
  for (const char* word : {"3 runs", "p10", "median", "p90", "p99", "runs per second"})
    EXPECT_NE(text.find(word), std::string::npos) << text;
}

TEST_F(Run, OneRunHasNoPercentiles) {
  const std::string cold = run({at("m.onnx"), "--input", input()}).out,
                    warm = run({at("m.onnx"), "--input", input(), "--warmup", "1"}).out;
  EXPECT_NE(cold.find("1 run, "), std::string::npos) << cold;
  EXPECT_NE(cold.find("cold"), std::string::npos) << cold;
  EXPECT_NE(warm.find("1 run, "), std::string::npos) << warm;
  for (const std::string& text : {cold, warm}) EXPECT_EQ(text.find("p99"), std::string::npos) << text;
  EXPECT_EQ(warm.find("cold"), std::string::npos) << warm;
}

TEST_F(Run, ProfileHoldsEveryLayerAgainstTheMachine) {
  report_of({at("m.onnx"), "--profile", at("layers.json"), "--iterations", "2"});
  const Json profile = read_json(dir_ / "layers.json");
  EXPECT_EQ(profile["runs"], 2);
  EXPECT_GT(profile["peak_gmacs"].get<double>(), 0);
  EXPECT_GT(profile["peak_gb_s"].get<double>(), 0);
  EXPECT_EQ(profile["total_macs"], 3 * 6 * 4);
  ASSERT_EQ(profile["layers"].size(), 1u);
  const Json& layer = profile["layers"][0];
  EXPECT_EQ(layer["macs"], 3 * 6 * 4);
  EXPECT_EQ(layer["precision"], "fp32");
  EXPECT_GT(layer["roofline_share"].get<double>(), 0);
  EXPECT_TRUE(profile["peaks_hold"].get<bool>());
  const std::string text =
      run({at("m.onnx"), "--input", input(), "--profile", at("layers.json"), "--overwrite"}).out;
  EXPECT_NE(text.find("roofline %"), std::string::npos) << text;
  EXPECT_NE(text.find("GMAC/s"), std::string::npos) << text;
}

TEST_F(Run, ComparesTwoPrecisionsOfAModel) {
  const Json report = report_of({at("m.onnx"), "--compare-precisions", "fp32,bf16"});
  EXPECT_EQ(report["precisions"], Json({"fp32", "bf16"}));
  const Json& comparison = report["comparison"];
  EXPECT_TRUE(comparison["passed"].get<bool>());
  EXPECT_EQ(comparison["sqnr_limit_db"], 20.0);
  ASSERT_EQ(comparison["values"].size(), 1u);
  const Json& value = comparison["values"][0];
  EXPECT_EQ(value["value"], "y");
  EXPECT_EQ(value["precision"], "bf16");
  EXPECT_EQ(value["origins"].size(), 3u);
  EXPECT_GT(value["sqnr_db"].get<double>(), 30);
}

TEST_F(Run, ComparesInt8AsBuildMakesIt) {
  const Json value =
      report_of({at("m.onnx"), "--compare-precisions", "fp32,int8"})["comparison"]["values"].at(0);
  EXPECT_EQ(value["precision"], "int8");
  EXPECT_FALSE(value["equal"].get<bool>());
  EXPECT_GT(value["sqnr_db"].get<double>(), 20);
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32,mixed"}, "--calibration FOLDER");
}

TEST_F(Run, NamesTheFirstLayerBelowTheLimit) {
  const Outcome outcome = run({at("m.onnx"), "--compare-precisions", "fp32,bf16", "--sqnr-limit", "150",
                               "--input", input(), "--quiet"});
  EXPECT_EQ(outcome.code, kCheckNotMet);
  const Json report =
      report_of({at("m.onnx"), "--compare-precisions", "fp32,bf16", "--sqnr-limit", "150"}, kCheckNotMet);
  const std::string layer = report["comparison"]["first_below"].get<std::string>();
  EXPECT_NE(outcome.err.find("layer " + layer + " (FusedMatMul) is the first below 150 dB"),
            std::string::npos)
      << outcome.err;
}

TEST_F(Run, ComparesPlansAndTheirModel) {
  build_plan("fp32", "fp32");
  build_plan("bf16", "bf16");
  for (const char* model : {"fp32", "m.onnx", "fp32/model.plan"}) {
    const Json report = report_of({at(model), "--compare-with", at("bf16")});
    EXPECT_EQ(report["compared_with"], at("bf16"));
    EXPECT_GT(report["comparison"]["values"].at(0)["sqnr_db"].get<double>(), 30) << model;
  }
  EXPECT_TRUE(report_of({at("fp32"), "--compare-with", at("m.onnx")})["comparison"]["values"]
                  .at(0)["equal"]
                  .get<bool>());
}

TEST_F(Run, RefusesComparisonsThatMeanNothing) {
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32"}, "is not A,B");
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32,fp17"},
                 "error: --compare-precisions fp32,fp17: fp17: unknown; did you mean \"fp16\"?");
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32,bf16", "--warmup", "3"}, "--warmup");
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32,bf16", "--compare-with", "p"},
                 "exclude each other");
  expect_refused({at("m.onnx"), "--compare-precisions", "fp32,bf16", "--profile", at("p.json")}, "--profile");
  expect_refused({at("m.onnx"), "--compare-with", at("none")}, "none");
  small::write_two_inputs(dir_ / "two.onnx");
  expect_refused({at("m.onnx"), "--compare-with", at("two.onnx")}, "inputs x and left, right");
  build_plan("plan", "fp32");
  expect_refused({at("plan"), "--compare-precisions", "fp32,bf16"}, "--compare-with");
}

TEST_F(Run, SaysWhichLayersAreSlow) {
  small::write_determinants(dir_ / "det.onnx");
  write_npy(dir_ / "d.npy", small::random_floats({2, 3, 3}, 3));
  const std::vector<std::string> args = {at("det.onnx"), "--input", "x=" + at("d.npy")};
  EXPECT_NE(run(args).err.find("run by readable single-threaded kernels"), std::string::npos);
  std::vector<std::string> quiet = args;
  quiet.push_back("--quiet");
  EXPECT_EQ(run(quiet).err, "");
}

}  // namespace
}  // namespace edgeclip
