// Plans of ONNX files: shapes, refusals, graphs written beside them.
#include "builder/build_model.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "builder/import/onnx_import.h"
#include "builder/small_model.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan.h"

namespace edgeclip::builder {
namespace {

namespace fs = std::filesystem;
namespace test = engine::test;

class BuildModel : public testing::Test {
 protected:
  void SetUp() override {
    test::write_small_model(dir_ / "m.onnx");
    options_.model = (dir_ / "m.onnx").string();
    options_.out = (dir_ / "plan").string();
    options_.batches = {};
    options_.shape = {"x=1x6:2x6:4x6"};
  }
  std::string message() {
    const std::string text = test::invalid_input_of([&] { build_plan(options_); });
    EXPECT_FALSE(fs::exists(options_.out));
    return text;
  }
  /// With these --shape options.
  void expect_refused(const std::vector<std::string>& shape, const std::string& part) {
    options_.shape = shape;
    const std::string text = message();
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  std::set<std::string> entries() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_.path()))
      names.insert(entry.path().filename().string());
    return names;
  }

  test::TempDir dir_;
  BuildOptions options_;
};

TEST_F(BuildModel, RunsWhatTheOnnxFileSays) {
  const Json report = build_plan(options_);
  EXPECT_EQ(report["precision"], "fp32");
  const Json& model = report["model"];
  for (const char* key : {"nodes_imported", "nodes", "passes", "arena_bytes", "reference_layers", "bytes"})
    EXPECT_TRUE(model.contains(key)) << key;
  EXPECT_EQ(model["nodes_imported"], 3);
  EXPECT_EQ(model["nodes"], 1);
  EXPECT_EQ(model["shapes"], Json::parse(R"({"x": {"min": [1, 6], "opt": [2, 6], "max": [4, 6]}})"));
  for (const char* profile : {"min", "opt", "max"}) EXPECT_TRUE(model["arena_bytes"].contains(profile));

  const engine::PlanInfo plan = engine::open_plan_info(options_.out);
  EXPECT_EQ(plan.json["shapes"]["model"], model["shapes"]);
  EXPECT_EQ(plan.graphs, std::vector<std::string>{"model"});
  EXPECT_EQ(plan.card["task"], "none");
  EXPECT_EQ(plan.card["name"], "m");
  EXPECT_EQ(plan.model_hash, report["model_hash"].get<std::string>());
  const engine::Session session(engine::open_plan_graph(plan, "model"), {});
  engine::Context context(session);
  const engine::Graph onnx = import_onnx(options_.model);
  for (const std::int64_t batch : {1, 3, 4}) {
    engine::check_input_shapes(plan, "model", onnx, {{batch, 6}});
    const Tensor x = test::random_floats({batch, 6}, 3);
    EXPECT_LE(
        test::max_difference(context.run({x.view()}).at(0), engine::run_reference(onnx, {x.view()}).at(0)),
        1e-6);
  }
}

TEST_F(BuildModel, ShapesOutsideOfTheRangeAreRefused) {
  build_plan(options_);
  const engine::PlanInfo plan = engine::open_plan_info(options_.out);
  const engine::Graph graph = engine::open_plan_graph(plan, "model");
  for (const std::int64_t batch : {0, 5}) {
    const std::string text = test::invalid_input_of([&] {
      engine::check_input_shapes(plan, "model", graph, {{batch, 6}});
    });
    EXPECT_NE(text.find("1x6:2x6:4x6"), std::string::npos) << text;
    EXPECT_NE(text.find("--shape x=MIN:OPT:MAX"), std::string::npos) << text;
  }
  // No plan of the model takes these: the context says what it expects.
  for (const Shape& shape : {Shape{2, 7}, Shape{2}})
    engine::check_input_shapes(plan, "model", graph, {shape});
}

TEST_F(BuildModel, SaysWhatIsWrongWithAShape) {
  expect_refused({"z=1x6"}, "has no input \"z\"");
  expect_refused({"x"}, "is not NAME=MIN:OPT:MAX");
  for (const char* bad : {"x=", "x=1x", "x=axb", "x=1x6:2x6", "x=1x6:2x6:3x6:4x6", "x=-1x6",
                          "x=1x6:", "x=1 x6", "x=99999999999999999999x6"})
    expect_refused({bad}, "is not NAME=MIN:OPT:MAX");
  for (const char* zero : {"x=0x6", "x=0x6:1x6:4x6"}) expect_refused({zero}, "dimension 0 is 0");
  expect_refused({"x=1x6x1"}, "input x of " + options_.model + " is (batch, 6)");
  expect_refused({"x=1x7"}, "dimension 1 of input x is 6");
  expect_refused({"x=4x6:2x6:8x6"}, "dimension 0 is 4:2:8, which is not min <= opt <= max");
  expect_refused({"x=1x6", "x=2x6"}, "given twice");
  expect_refused({}, "give its shapes by --shape x=MIN:OPT:MAX");
  EXPECT_EQ(entries(), std::set<std::string>{"m.onnx"});
}

TEST_F(BuildModel, NearNamesAreNamed) {
  test::write_two_inputs(options_.model);
  expect_refused({"lefft=1x2"}, "did you mean \"left\"?");
}

TEST_F(BuildModel, OneSymbolHasOneSize) {
  test::write_two_inputs(options_.model);
  expect_refused({"left=1x2:2x2:4x2", "right=1x2:2x2:8x2"},
                 "batch of " + options_.model + " is 1:2:4 in input left and 1:2:8 in input right");
  expect_refused({"left=1x2:2x2:4x2"}, "input right is (batch, 2)");
  options_.shape = {"left=1x2:2x2:4x2", "right=1x2:2x2:4x2"};
  build_plan(options_);
}

TEST_F(BuildModel, AStaticModelNeedsNoShape) {
  test::write_determinants(options_.model);
  options_.shape = {};
  const Json report = build_plan(options_);
  EXPECT_EQ(report["model"]["shapes"]["x"]["max"], Json({2, 3, 3}));
  EXPECT_EQ(report["model"]["reference_layers"].size(), 1u);
  options_.overwrite = true;
  options_.strict = true;
  try {
    build_plan(options_);
    ADD_FAILURE() << "--strict took a layer of the reference kernel";
  } catch (const CheckNotMet& error) {
    EXPECT_NE(std::string(error.what()).find("(Det)"), std::string::npos) << error.what();
  }
}

TEST_F(BuildModel, TheLargestShapeMustFitThePool) {
  test::write_wide(options_.model);
  options_.memory_pool_mb = 1;
  options_.shape = {"x=1x64:1x64:9000x64"};
  const std::string text = message();
  EXPECT_EQ(text.rfind(options_.model + ": x (9000, 64) needs 3 MiB", 0), 0u) << text;
  EXPECT_NE(text.find("--memory-pool-mb 3"), std::string::npos) << text;
  options_.memory_pool_mb = 3;
  const Json report = build_plan(options_);
  EXPECT_EQ(report["model"]["arena_bytes"]["max"], 9000 * 64 * 4);
}

TEST_F(BuildModel, WhatBelongsToBundlesIsRefused) {
  options_.batches = {1};
  EXPECT_NE(message().find("--batches: is of bundles"), std::string::npos);
  options_.batches = {};
  options_.bundle = "b";
  EXPECT_NE(message().find("exclude each other"), std::string::npos);
  options_.bundle = "";
  options_.calibration = "c.json";
  EXPECT_NE(message().find("--calibration c.json: has no effect with --precision fp32"), std::string::npos);
  options_.precision = "int8";
  EXPECT_NE(message().find("c.json: is no folder"), std::string::npos);
}

TEST_F(BuildModel, ACardIsReadLikeAnyOther) {
  options_.card = (dir_ / "card.json").string();
  test::write_text(options_.card, R"({"task": "classifier", "classes": ["a", "b", "c"]})");
  EXPECT_NE(message().find("names 3, output y"), std::string::npos);
  test::write_text(options_.card, R"({"task": "dual_encoder", "vocab_size": 9, "embedding_dim": 4})");
  EXPECT_NE(message().find("--bundle"), std::string::npos);
  test::write_text(options_.card, R"({"tusk": "classifier"})");
  EXPECT_NE(message().find("did you mean \"task\"?"), std::string::npos);
  test::write_text(options_.card, R"({"task": "classifier", "classes": ["a", "b", "c", "d"]})");
  build_plan(options_);
  EXPECT_EQ(engine::open_plan_info(options_.out).card["classes"][3], "d");
}

TEST_F(BuildModel, WritesItsGraphs) {
  options_.dump_graph = "before,after";
  EXPECT_NE(message().find("--dump-dir"), std::string::npos);
  options_.dump_dir = (dir_ / "graphs").string();
  options_.dump_graph = "before,afer";
  EXPECT_NE(message().find("did you mean \"after\"?"), std::string::npos);
  options_.dump_graph = "before,after";
  options_.shape = {"x=1x7"};
  message();
  EXPECT_FALSE(fs::exists(options_.dump_dir));  // nothing of a build that failed

  options_.shape = {"x=1x6"};
  build_plan(options_);
  const std::string dot = read_file(dir_ / "graphs/graph-before.dot");
  EXPECT_NE(dot.find("label=\"float32 (batch, 6)\""), std::string::npos) << dot;
  EXPECT_NE(dot.find("w float32 (6, 4)"), std::string::npos) << dot;
  const Json before = read_json(dir_ / "graphs/graph-before.json"),
             after = read_json(dir_ / "graphs/graph-after.json");
  EXPECT_EQ(before["nodes"].size(), 3u);
  EXPECT_EQ(before["inputs"][0], Json::parse(R"({"name": "x", "dtype": "float32", "shape": ["batch", 6]})"));
  ASSERT_EQ(after["nodes"].size(), 1u);
  EXPECT_EQ(after["nodes"][0]["origins"].size(), 3u);
  EXPECT_EQ(after["outputs"][0]["shape"][1], 4);

  options_.overwrite = true;
  build_plan(options_);  // graphs of its own are replaced
  test::write_text(dir_ / "graphs/graph-after.dot", "digraph mine {}");
  const std::string text = test::invalid_input_of([&] { build_plan(options_); });
  EXPECT_NE(text.find("is not a graph written by edgeclip"), std::string::npos) << text;
}

TEST_F(BuildModel, ForgedShapesAreRefused) {
  build_plan(options_);
  const fs::path file = fs::path(options_.out) / "plan.json";
  const Json good = read_json(file);
  const auto open = [&](const char* text) {
    Json json = good;
    json["shapes"] = Json::parse(text);
    test::write_text(file, json.dump());
    return test::invalid_input_of(
        [&] { engine::open_plan_graph(engine::open_plan_info(options_.out), "model"); });
  };
  for (const char* bad : {"null", "{}", R"({"other": {}})", R"({"model": {}})", R"({"model": {"x": 1}})",
                          R"({"model": {"x": {"min": [1, 6], "opt": [1, 6]}}})",
                          R"({"model": {"x": {"min": [2, 6], "opt": [1, 6], "max": [4, 6]}}})",
                          R"({"model": {"x": {"min": [-1, 6], "opt": [1, 6], "max": [4, 6]}}})",
                          R"({"model": {"x": {"min": [1, 5], "opt": [1, 6], "max": [4, 6]}}})",
                          R"({"model": {"y": {"min": [1, 6], "opt": [1, 6], "max": [4, 6]}}})"})
    EXPECT_NE(open(bad).find("plan.json"), std::string::npos) << bad;
}

}  // namespace
}  // namespace edgeclip::builder
