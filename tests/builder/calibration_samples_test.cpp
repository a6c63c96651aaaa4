// Folders of inputs to calibrate a model with.
#include "builder/quantize/calibration_samples.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/npy.h"
#include "builder/quantize/calibrate_graph.h"
#include "engine/graph_support.h"
#include "engine/small_graphs.h"

namespace edgeclip::builder {
namespace {

namespace fs = std::filesystem;
namespace test = engine::test;
using ::edgeclip::test::GraphMaker;

/// left (batch, 2, ?) float32 and a/b (batch, 3) int64.
engine::Graph two_inputs(std::int64_t batch = -1) {
  GraphMaker m;
  m.input("left", DType::f32, {batch, 2, -1});
  m.input("a/b", DType::i64, {batch, 3});
  return m.graph;
}

class FolderSamples : public testing::Test {
 protected:
  void write(const std::string& file, DType dtype, const Shape& shape) {
    Tensor t(dtype, shape);
    if (dtype == DType::f32)
      for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(i);
    fs::create_directories((dir_ / file).parent_path());
    write_npy(dir_ / file, t);
  }
  void expect_refused(const engine::Graph& graph, const std::vector<std::string>& parts) {
    const std::string text = test::invalid_input_of([&] { folder_samples(dir_.path(), graph); });
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  const test::TempDir dir_;
};

TEST_F(FolderSamples, StackedArraysRunInBatches) {
  write("left.npy", DType::f32, {19, 2, 5});
  write("a_b.npy", DType::i32, {19, 3});
  const auto samples = folder_samples(dir_.path(), two_inputs());
  EXPECT_EQ(samples->samples(), 19);
  EXPECT_EQ(samples->batches(), 3);
  EXPECT_EQ(samples->batch(0)[0].shape(), (Shape{8, 2, 5}));
  const std::vector<Tensor> last = samples->batch(2);
  EXPECT_EQ(last[0].shape(), (Shape{3, 2, 5}));
  EXPECT_EQ(last[1].shape(), (Shape{3, 3}));
  EXPECT_EQ(last[0].data<float>()[0], 160);
}

TEST_F(FolderSamples, AFixedBatchIsKept) {
  write("left.npy", DType::f32, {6, 2, 5});
  write("a_b.npy", DType::i64, {6, 3});
  const auto samples = folder_samples(dir_.path(), two_inputs(2));
  EXPECT_EQ(samples->batches(), 3);
  EXPECT_EQ(samples->batch(1)[1].shape(), (Shape{2, 3}));
  expect_refused(two_inputs(4), {"holds 6 samples", "4 at once"});
  expect_refused(two_inputs(0), {"left", "batches of 0"});
}

TEST_F(FolderSamples, SubFoldersAreRuns) {
  write("10/left.npy", DType::f32, {1, 2, 5});
  write("10/a_b.npy", DType::i64, {1, 3});
  write("09/left.npy", DType::f32, {3, 2, 4});
  write("09/a_b.npy", DType::i64, {3, 3});
  const auto samples = folder_samples(dir_.path(), two_inputs());
  EXPECT_EQ(samples->batches(), 2);
  EXPECT_EQ(samples->batch(0)[0].shape(), (Shape{3, 2, 4}));
  EXPECT_EQ(samples->batch(1)[0].shape(), (Shape{1, 2, 5}));
  fs::remove(dir_ / "10/a_b.npy");
  expect_refused(two_inputs(), {"10/a_b.npy: is missing", "a/b is int64 (?, 3)"});
}

TEST_F(FolderSamples, WhatDoesNotFitIsOneLine) {
  expect_refused(two_inputs(), {"left.npy: is missing", "float32 (?, 2, ?)"});
  write("left.npy", DType::f32, {4, 2, 5});
  expect_refused(two_inputs(), {"a_b.npy: is missing"});
  write("a_b.npy", DType::f32, {4, 3});
  expect_refused(two_inputs(), {"a_b.npy: is float32 (4, 3)", "int64 (?, 3)"});
  write("a_b.npy", DType::i64, {4, 2});
  expect_refused(two_inputs(), {"a_b.npy: is int64 (4, 2)"});
  write("a_b.npy", DType::i64, {3, 3});
  expect_refused(two_inputs(), {"a_b.npy: holds 3 samples", "holds 4"});
  write("a_b.npy", DType::i64, {0, 3});
  expect_refused(two_inputs(), {"a_b.npy: holds no samples"});
  GraphMaker scalar;
  scalar.input("left", DType::f32, {});
  expect_refused(scalar.graph, {"left of the model has no batch", "sub-folder"});
}

TEST_F(FolderSamples, SamplesAreFinite) {
  write("a_b.npy", DType::i64, {4, 3});
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Tensor left(DType::f32, {4, 2, 5});
    std::fill_n(left.data<float>(), left.elements(), 0.0F);
    left.data<float>()[39] = bad;
    left.data<float>()[25] = bad;
    write_npy(dir_ / "left.npy", left);
    expect_refused(two_inputs(), {"left.npy: sample 2 is not finite"});
    fs::create_directories(dir_ / "runs/1");
    write_npy(dir_ / "runs/1/left.npy", left);
    fs::copy_file(dir_ / "a_b.npy", dir_ / "runs/1/a_b.npy", fs::copy_options::overwrite_existing);
    const std::string text = test::invalid_input_of([&] { folder_samples(dir_ / "runs", two_inputs()); });
    EXPECT_NE(text.find("runs/1/left.npy: element 25 is not finite"), std::string::npos) << text;
  }
}

TEST_F(FolderSamples, WhatTheModelRefusesIsNamedBySample) {
  GraphMaker m;
  const auto ids = m.input("ids", DType::i64, {-1}, {"batch"});
  const auto table = m.graph.add_constant("t", Tensor::from<float>({5, 4}, std::vector<float>(20, 0.5F)));
  const auto w = m.graph.add_constant("w", Tensor::from<float>({4, 4}, std::vector<float>(16, 0.25F)));
  const auto rows = m.node("Gather", {table, ids});
  m.graph.outputs = {m.node("MatMul", {rows, w})};
  std::vector<std::int64_t> values(20, 1);
  values[13] = 7;
  values[15] = 9;
  write_npy(dir_ / "ids.npy", Tensor::from<std::int64_t>({20}, values));
  const auto samples = folder_samples(dir_.path(), m.graph);
  const std::string text = test::invalid_input_of(
      [&] { calibrate_graph(m.graph, {m.graph.value(rows).name}, *samples, {}, "m.onnx: model"); });
  EXPECT_NE(text.find("ids.npy: sample 13: m.onnx: model: node "), std::string::npos) << text;
}

TEST_F(FolderSamples, AValueInsideThatIsNotFiniteIsNamed) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 2}, {"batch", ""});
  const auto w = m.graph.add_constant("w", Tensor::from<float>({2, 2}, std::vector<float>(4, 0.25F)));
  const auto root = m.node("Sqrt", {x});
  m.graph.outputs = {m.node("MatMul", {root, w})};
  write_npy(dir_ / "x.npy", Tensor::from<float>({2, 2}, {1, 1, 1, -1}));
  const auto samples = folder_samples(dir_.path(), m.graph);
  const std::string name = m.graph.value(root).name,
                    text = test::invalid_input_of(
                        [&] { calibrate_graph(m.graph, {name}, *samples, {}, "m.onnx: model"); });
  EXPECT_NE(text.find("x.npy: sample 1: m.onnx: model: value \"" + name + "\": values are not finite"),
            std::string::npos)
      << text;
  const auto& nodes = m.graph.nodes();
  EXPECT_NE(text.find("node \"" + nodes[0].name + "\" (Sqrt) is the first that gives such"), std::string::npos) << text;
}

TEST_F(FolderSamples, TheNodeThatIsToBlameMayBeFarFromTheLayer) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 2}, {"batch", ""});
  const auto w = m.graph.add_constant("w", Tensor::from<float>({2, 2}, std::vector<float>(4, 0.25F)));
  const auto zero = m.graph.add_constant("zero", Tensor::from<float>({}, {0}));
  // Minus infinity is what masks are made of: the logarithm is not to blame, the product with 0 is.
  const auto log = m.node("Log", {x});
  const auto bad = m.node("Mul", {log, zero});
  const auto later = m.node("Neg", {bad});
  m.graph.outputs = {m.node("MatMul", {later, w})};
  m.graph.nodes()[1].name = "layers.0/bad";
  write_npy(dir_ / "x.npy", Tensor::from<float>({2, 2}, {1, 1, 1, 0}));
  const auto samples = folder_samples(dir_.path(), m.graph);
  const std::string name = m.graph.value(later).name, text = test::invalid_input_of([&] {
                      calibrate_graph(m.graph, {name}, *samples, {}, "m.onnx: model");
                    });
  EXPECT_NE(text.find("node \"layers.0/bad\" (Mul) is the first that gives such"), std::string::npos) << text;
}

TEST_F(FolderSamples, RangesAreOfAllThatLayersSee) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto w = m.graph.add_constant("w", Tensor::from<float>({4, 4}, std::vector<float>(16, 0.25F)));
  const auto y = m.node("Relu", {m.node("MatMul", {x, w})});
  m.graph.outputs = {m.node("MatMul", {y, w})};
  write("x.npy", DType::f32, {20, 4});  // 0 .. 79: rows of mean 4 i + 1.5
  CalibrationOptions options;
  options.calibrator = "minmax";
  const auto samples = folder_samples(dir_.path(), m.graph);
  const std::string inner = m.graph.value(y).name;
  const auto found = calibrate_graph(m.graph, {"x", inner, "other"}, *samples, options, "m.onnx");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("x").max, 79);
  EXPECT_EQ(found.at(inner).min, 1.5);
  EXPECT_EQ(found.at(inner).max, 77.5);
  EXPECT_FLOAT_EQ(found.at(inner).scale.scale, 77.5F / 255);
}

}  // namespace
}  // namespace edgeclip::builder
