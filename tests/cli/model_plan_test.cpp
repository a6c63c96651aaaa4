// A plan of an ONNX file through the commands: build, run, inspect, and what refuses it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/json.h"
#include "base/npy.h"
#include "builder/small_bundle.h"
#include "builder/small_model.h"
#include "cli/command_line.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
namespace small = engine::test;

using test::Outcome;

Outcome run(const std::vector<std::string>& args) { return test::run_edge(args); }

class ModelPlan : public testing::Test {
 protected:
  ModelPlan() { small::write_small_model(dir_ / "m.onnx"); }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }

  /// One line on stderr that holds `part`, and no plan.
  void expect_refused(std::vector<std::string> args, const std::string& part, int code = kInvalidInput) {
    args.push_back("--quiet");
    const Outcome outcome = run(args);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(dir_ / "refused"));
  }
  void build(const std::string& name = "plan") {
    const Outcome outcome =
        run({"build", at("m.onnx"), "--shape", "x=1x6:2x6:4x6", "--out", at(name), "--quiet"});
    ASSERT_EQ(outcome.code, kDone) << outcome.err;
  }
  std::string input(std::int64_t batch) {
    write_npy(dir_ / "x.npy", small::random_floats({batch, 6}, 3));
    return "x=" + at("x.npy");
  }

  test::TempDir dir_;
};

TEST_F(ModelPlan, RunsLikeItsModel) {
  build();
  for (const char* what : {"m.onnx", "plan"}) {
    const Outcome outcome =
        run({"run", at(what), "--input", input(3), "--out", at(std::string("of-") + what)});
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
  }
  const Tensor expected = read_npy(dir_ / "of-m.onnx/y.npy");
  EXPECT_EQ(expected.shape(), (Shape{3, 4}));
  EXPECT_EQ(small::max_difference(read_npy(dir_ / "of-plan/y.npy"), expected), 0);
  for (int again = 0; again < 2; ++again)  // a profile of its own is replaced
    EXPECT_EQ(run({"run", at("plan"), "--graph", "model", "--input", input(3), "--load-refs", at("of-m.onnx"),
                   "--profile", at("layers.json"), "--overwrite"})
                  .code,
              kDone);
  EXPECT_EQ(read_json(dir_ / "layers.json")["layers"][0]["origins"].size(), 3u);
}

TEST_F(ModelPlan, RefusesShapesThatItWasNotBuiltFor) {
  build();
  expect_refused({"run", at("plan"), "--input", input(5), "--out", at("refused")},
                 "5x6 is outside of 1x6:2x6:4x6, which " + at("plan") + " was built for");
}

TEST_F(ModelPlan, AFileOfAPlanKeepsToItsShapes) {
  build();
  const Outcome outcome = run({"run", at("plan/model.plan"), "--input", input(3)});
  EXPECT_EQ(outcome.code, kDone);
  EXPECT_NE(outcome.err.find("graph model of the plan " + at("plan")), std::string::npos) << outcome.err;
  expect_refused({"run", at("plan/model.plan"), "--input", input(5)}, "5x6 is outside of 1x6:2x6:4x6");
  fs::copy_file(dir_ / "plan/model.plan", dir_ / "alone.plan");
  EXPECT_EQ(run({"run", at("alone.plan"), "--input", input(5)}).code, kDone);
  expect_refused({"run", at("plan/plan.json"), "--input", input(3)}, "name its folder: " + at("plan"));
  fs::resize_file(dir_ / "plan/plan.json", 50);
  expect_refused({"run", at("plan"), "--input", input(3)}, "copy the folder again, or build it again");
  expect_refused({"run", dir_.path().string(), "--input", input(3)}, "is not a plan, made by \"build\"");
}

TEST_F(ModelPlan, SaysWhatStaysFloatWithoutCalibration) {
  small::write_convolutions(dir_ / "conv.onnx");
  const Outcome plain = run({"build", at("conv.onnx"), "--precision", "int8", "--out", at("p"), "--quiet"});
  EXPECT_EQ(plain.code, kDone) << plain.err;
  EXPECT_NE(plain.err.find("0 of 2 products and convolutions are int8: 1 convolutions stay float32"),
            std::string::npos)
      << plain.err;
  EXPECT_NE(plain.err.find("give --calibration"), std::string::npos) << plain.err;
  write_npy(dir_ / "x.npy", small::random_floats({1, 3, 4, 4}, 3));
  const Outcome compared = run({"run", at("conv.onnx"), "--compare-precisions", "fp32,int8", "--input",
                                "x=" + at("x.npy"), "--quiet"});
  EXPECT_NE(compared.err.find("--compare-with"), std::string::npos) << compared.err;
  small::write_determinants(dir_ / "det.onnx");
  EXPECT_NE(run({"build", at("det.onnx"), "--precision", "int8", "--out", at("q"), "--quiet"})
                .err.find("none of it becomes int8"),
            std::string::npos);
}

TEST_F(ModelPlan, CalibrationThatIsNoNumberIsRefused) {
  small::write_convolutions(dir_ / "conv.onnx");
  fs::create_directories(dir_ / "samples");
  Tensor x = small::random_floats({2, 3, 4, 4}, 3);
  x.data<float>()[48 + 7] = std::numeric_limits<float>::quiet_NaN();
  write_npy(dir_ / "samples/x.npy", x);
  expect_refused({"build", at("conv.onnx"), "--precision", "int8", "--calibration", at("samples"), "--out",
                  at("refused")},
                 at("samples/x.npy") + ": sample 1 is not finite");
}

TEST_F(ModelPlan, IsDescribed) {
  build();
  const Outcome outcome = run({"inspect", at("plan"), "--json", "-"});
  ASSERT_EQ(outcome.code, kDone) << outcome.err;
  const Json graph = Json::parse(outcome.out)["graphs"]["model"];
  EXPECT_EQ(graph["inputs"]["x"],
            Json::parse(R"x({"dtype": "float32", "shape": "(batch, 6)", "min": [1, 6], "opt": [2, 6],
                             "max": [4, 6]})x"));
  EXPECT_EQ(graph["outputs"]["y"], Json::parse(R"x({"dtype": "float32", "shape": "(batch, 4)", "min": [1, 4],
                                                   "opt": [2, 4], "max": [4, 4]})x"));
  EXPECT_EQ(Json::parse(outcome.out)["card"], Json::parse(R"({"task": "none", "name": "m"})"));
  ASSERT_EQ(graph["layers"].size(), 1u);
  EXPECT_EQ(graph["layers"][0]["precision"], "fp32");
  EXPECT_EQ(graph["layers"][0]["origins"].size(), 3u);
  EXPECT_NE(graph["layers"][0]["kernel"], "");
  EXPECT_EQ(graph["memory"]["file_bytes"], fs::file_size(dir_ / "plan/model.plan"));
  EXPECT_TRUE(graph["memory"]["packed_bytes"].is_number());
  EXPECT_EQ(graph["memory"]["profiles"]["max"]["shapes"]["x"], Json({4, 6}));

  const std::string text = run({"inspect", at("plan")}).out;
  for (const char* word :
       {"FusedMatMul", "fp32", "file_bytes", "packed_bytes", "activation_bytes", "scratch_bytes"})
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
  EXPECT_NE(text.find(graph["layers"][0]["kernel"].get<std::string>()), std::string::npos) << text;
}

TEST_F(ModelPlan, ACardIsDescribedAsFarAsItsTaskNeedsIt) {
  test::write_text(dir_ / "card.json", R"({"task": "classifier", "classes": ["a", "b", "c", "d"]})");
  ASSERT_EQ(run({"build", at("m.onnx"), "--shape", "x=1x6", "--card", at("card.json"), "--out", at("plan"),
                 "--quiet"})
                .code,
            kDone);
  const Json card = Json::parse(run({"inspect", at("plan"), "--json", "-"}).out)["card"];
  EXPECT_EQ(card["classes"].size(), 4u);
  EXPECT_TRUE(card.contains("image"));
  for (const char* key : {"context_length", "logit_scale", "activation", "clip"})
    EXPECT_FALSE(card.contains(key)) << key;
}

TEST_F(ModelPlan, IsDescribedInThePrecisionOfItsWeights) {
  ASSERT_EQ(run({"build", at("m.onnx"), "--shape", "x=1x6:2x6:4x6", "--precision", "bf16", "--out",
                 at("plan"), "--quiet"})
                .code,
            kDone);
  const Json graph = Json::parse(run({"inspect", at("plan"), "--json", "-"}).out)["graphs"]["model"];
  EXPECT_EQ(graph["layers"][0]["precision"], "bf16");
  EXPECT_EQ(graph["outputs"]["y"]["dtype"], "float32");
}

TEST_F(ModelPlan, OfABundleIsDescribedByBatches) {
  small::write_small_bundle(dir_ / "bundle");
  ASSERT_EQ(run({"build", "--bundle", at("bundle"), "--batches", "1,4", "--out", at("plan"), "--dump-graph",
                 "after", "--dump-dir", at("graphs"), "--quiet"})
                .code,
            kDone);
  EXPECT_TRUE(fs::exists(dir_ / "graphs/text/graph-after.dot"));
  const Outcome outcome = run({"inspect", at("plan"), "--json", "-"});
  ASSERT_EQ(outcome.code, kDone) << outcome.err;
  const Json graphs = Json::parse(outcome.out)["graphs"];
  EXPECT_EQ(graphs["image"]["memory"]["profiles"]["4"]["shapes"]["pixel_values"], Json({4, 3, 8, 4}));
  EXPECT_EQ(graphs["text"]["memory"]["profiles"]["1"]["shapes"]["input_ids"], Json({1, 12}));
  EXPECT_FALSE(graphs["text"]["layers"].empty());
  write_npy(dir_ / "p.npy", small::random_floats({2, 3, 8, 4}, 1));
  EXPECT_EQ(run({"run", at("plan"), "--graph", "image", "--input", "pixel_values=" + at("p.npy")}).code,
            kDone);
  expect_refused({"build", "--bundle", at("bundle"), "--shape", "x=1", "--out", at("refused")}, "--batches");
}

TEST_F(ModelPlan, BadOptionsAreOneLine) {
  const std::string out = at("refused"), model = at("m.onnx");
  expect_refused({"build", "--out", out}, "name --bundle BUNDLE or a MODEL.onnx");
  expect_refused({"build", model, "--out", out}, "--shape x=MIN:OPT:MAX");
  expect_refused({"build", model, "--shape", "y=1x6", "--out", out}, "has no input \"y\"");
  expect_refused({"build", model, "--shape", "x=1x6", "--batches", "1", "--out", out}, "--batches");
  expect_refused({"build", model, "--bundle", "b", "--out", out}, "exclude each other");
  expect_refused({"build", at("none.onnx"), "--out", out}, "not found");
  expect_refused({"build", dir_.path().string(), "--out", out}, "folder");
  expect_refused(
      {"build", model, "--shape", "x=1x6", "--out", out, "--dump-graph", "both", "--dump-dir", at("g")},
      "neither before nor after");
  expect_refused(
      {"build", model, "--shape", "x=1x6", "--out", out, "--dump-graph", "after", "--dump-dir", out},
      "lies in the plan");
  expect_refused({"build", model, "--shape", "x=1x6", "--out", out, "--precision", "mixed"}, "--calibration");
  small::write_determinants(dir_ / "det.onnx");
  expect_refused({"build", at("det.onnx"), "--strict", "--out", out}, "(Det)", kCheckNotMet);
  build();
  expect_refused({"build", model, "--shape", "x=1x6", "--out", at("plan")}, "--overwrite");
}

TEST_F(ModelPlan, PrintedOptionsReadBack) {
  const Outcome printed =
      run({"build", at("m.onnx"), "--shape", "x=1x6", "--out", at("plan"), "--print-config"});
  ASSERT_EQ(printed.code, kDone) << printed.err;
  test::write_text(dir_ / "options.json", printed.out);
  const Outcome outcome = run({"build", "--config", at("options.json"), "--quiet"});
  EXPECT_EQ(outcome.code, kDone) << outcome.err;
}

TEST_F(ModelPlan, IsNoEncoder) {
  build();
  write_npy(dir_ / "p.npy", small::random_floats({1, 3, 8, 4}, 1));
  const std::string part = "is a plan of task \"none\"";
  expect_refused({"encode", "--plan", at("plan"), "--pixels", at("p.npy"), "--out", at("refused")}, part);
  small::write_small_bundle(dir_ / "bundle");
  expect_refused({"verify", "--bundle", at("bundle"), "--plan", at("plan")}, part);
  expect_refused({"verify", "--plan", at("plan")}, "--bundle is required");
}

TEST_F(ModelPlan, RunWritesItsGraphs) {
  EXPECT_EQ(
      run({"run", at("m.onnx"), "--input", input(1), "--dump-graph", "before,after", "--dump-dir", at("g")})
          .code,
      kDone);
  EXPECT_TRUE(fs::exists(dir_ / "g/graph-before.json"));
  EXPECT_TRUE(fs::exists(dir_ / "g/graph-after.dot"));
  build();
  expect_refused(
      {"run", at("plan"), "--input", input(1), "--dump-graph", "after", "--dump-dir", at("refused")},
      "is built already");
  expect_refused({"run", at("m.onnx"), "--reference", "--input", input(1), "--dump-graph", "after",
                  "--dump-dir", at("refused")},
                 "--reference");
}

}  // namespace
}  // namespace edgeclip
