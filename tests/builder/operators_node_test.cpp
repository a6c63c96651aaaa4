#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "base/json.h"
#include "builder/conform.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "support/support.h"

/// The standard tests of the onnx package, and small whole models of other exporters: by the reference
/// kernels as imported, by a session as optimized.
namespace edgeclip::builder {
namespace {

namespace fs = std::filesystem;

TEST(OperatorsGolden, OnnxNodeTests) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/node");
  const Json manifest = read_json(folder / "manifest.json");
  std::map<ConformStatus, int> count;
  std::map<std::string, int> missing;
  for (const auto& entry : manifest["tests"]) {
    if (entry["onnxruntime"] == "differs") continue;  // informative only
    const std::string name = entry["name"], op = entry["op"];
    for (const char* model : {"model.onnx", "model_opset17.onnx"}) {
      if (!fs::exists(folder / name / model)) continue;
      const ConformCase result = run_conform_case(
          folder / name, {entry["rtol"], std::max(entry["atol"].get<double>(), 1e-6)}, model);
      ++count[result.status];
      EXPECT_NE(result.status, ConformStatus::kFailed) << name << "/" << model << ": " << result.reason;
      if (result.status != ConformStatus::kUnsupported) continue;
      ++missing[op];
      if (std::getenv("EDGECLIP_SHOW_UNSUPPORTED")) fmt::print("{}/{}: {}\n", name, model, result.reason);
    }
  }
  std::string list;
  for (const auto& [op, n] : missing) list += fmt::format(" {}({})", op, n);
  fmt::print("onnx/node: {} passed, {} unsupported:{}\n", count[ConformStatus::kPassed],
             count[ConformStatus::kUnsupported], list);
  EXPECT_GE(count[ConformStatus::kPassed], 780);
}

void expect_whole_models(const fs::path& folder) {
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["graphs"]) {
    const std::string name = entry["name"];
    const ConformCase result = run_conform_case(folder / name, {0, entry.value("tolerance_max_abs", 1e-4)});
    EXPECT_EQ(result.status, ConformStatus::kPassed) << name << ": " << result.reason;
    engine::Graph graph = import_onnx(folder / name / "model.onnx");
    const std::size_t imported = graph.nodes().size();
    optimize(graph);
    EXPECT_LE(graph.nodes().size(), imported) << name;
  }
}

TEST(OperatorsGolden, WholeGraphs) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/graphs");
  expect_whole_models(folder);
}

TEST(OperatorsGolden, ConvolutionModels) {
  EDGECLIP_REQUIRE_PARITY(folder, "zoo/graphs");
  expect_whole_models(folder);
}

TEST(OperatorsGolden, VideoModels) {
  EDGECLIP_REQUIRE_PARITY(folder, "anomaly/graphs");
  expect_whole_models(folder);
}

TEST(Passes, LeaveNothingBetweenConvolutions) {
  EDGECLIP_REQUIRE_PARITY(folder, "zoo/graphs");
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& entry : manifest["graphs"]) {
    const std::string name = entry["name"];
    engine::Graph graph = import_onnx(folder / name / "model.onnx");
    optimize(graph);
    std::map<std::string, int> count;
    for (const auto& node : graph.nodes()) ++count[node.op];
    EXPECT_EQ(count["BatchNormalization"], 0) << name;
    EXPECT_EQ(count["Clip"], 0) << name;
    // behind its transposed convolutions, which have no fused form
    EXPECT_EQ(count["Relu"], name.find("autoencoder") == std::string::npos ? 0 : 2) << name;
    if (name.find("shufflenet") != std::string::npos) {
      EXPECT_EQ(count["ChannelShuffle"], entry["ops"]["Transpose"].get<int>()) << name;
      EXPECT_EQ(count["Transpose"] + count["Reshape"] + count["Shape"], 0) << name;
    }
    EXPECT_EQ(count["Add"], 0) << name;
  }
}

TEST(Conform, SaysWhatIsWrongWithATest) {
  const edgeclip::test::TempDir dir;
  fs::create_directories(dir / "a/test_data_set_0");
  EXPECT_NE(edgeclip::test::invalid_input_of([&] { find_conform_cases(dir.path()); }).find("model.onnx"),
            std::string::npos);
  edgeclip::test::write_text(dir / "a/model.onnx", "no model");
  ASSERT_EQ(find_conform_cases(dir.path()).size(), 1u);
  const ConformCase result = run_conform_case(dir / "a", {});
  EXPECT_EQ(result.name, "a");
  EXPECT_EQ(result.status, ConformStatus::kFailed);
  EXPECT_NE(result.reason, "");
}

TEST(Conform, ToleranceIsThatOfNumpysAllclose) {
  const Tensor want = Tensor::from<float>({2}, {1, -1000});
  EXPECT_EQ(difference(Tensor::from<float>({2}, {1, -1000.5f}), want, {1e-3, 0}), "");
  EXPECT_NE(difference(Tensor::from<float>({2}, {1.01f, -1000}), want, {1e-3, 1e-3}), "");
  EXPECT_NE(difference(Tensor::from<float>({2}, {1, NAN}), want, {1e9, 1e9}), "");
  EXPECT_EQ(difference(Tensor::from<float>({1}, {NAN}), Tensor::from<float>({1}, {NAN}), {0, 0}), "");
  EXPECT_NE(difference(Tensor::from<float>({1, 2}, {1, -1000}), want, {}), "");
  const Tensor bytes = Tensor::from<std::uint8_t>({1}, {7});
  EXPECT_NE(difference(Tensor::from<std::uint8_t>({1}, {8}), bytes, {}), "");
  EXPECT_EQ(difference(Tensor::from<std::uint8_t>({1}, {8}), bytes, {0, 0, 1}), "");
}

}  // namespace
}  // namespace edgeclip::builder
