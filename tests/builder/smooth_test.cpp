// Factors moved from activations into weights, and biases that take back what rounding does to means.
#include "builder/quantize/smooth.h"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>

#include "builder/build_plan.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/calibrate_graph.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quantize.h"
#include "builder/transformer_bundle.h"
#include "engine/graph_support.h"
#include "engine/plan/plan.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = engine::test;
namespace fs = std::filesystem;

namespace {

using test::invalid_input_of;

using Factors = std::map<std::string, std::vector<float>>;

double sqnr(const Tensor& want, const Tensor& got) {
  double signal = 0, noise = 0;
  for (std::int64_t i = 0; i < want.elements(); ++i) {
    const double y = want.data<float>()[i], error = y - static_cast<double>(got.data<float>()[i]);
    signal += y * y;
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

Tensor run(const Graph& graph, const Tensor& input) {
  const Session session(graph, calibration_session_options());
  Context context(session);
  return context.run({input.view()}).at(0);
}

/// A bundle of which some channels behind LayerNorms are far larger than the others, as trained transformers
/// have them.
class Smooth : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ = std::make_unique<test::TempDir>();
    test::write_transformer_bundle(home_->path());
    const fs::path file = *home_ / "bundle/image.onnx";
    ::onnx::ModelProto model = onnx_ir::read_model(file);
    for (auto& initializer : *model.mutable_graph()->mutable_initializer()) {
      if (initializer.name().find("norm") == std::string::npos ||
          initializer.name().find("weight") == std::string::npos)
        continue;
      Tensor weight = onnx_ir::tensor_from_proto(initializer, "", initializer.name()).clone();
      for (const int channel : {3, 17}) weight.data<float>()[channel] *= 40;
      ::onnx::TensorProto made;
      onnx_ir::tensor_to_proto(weight.view(), initializer.name(), &made);
      initializer.Swap(&made);
    }
    onnx_ir::write_model(file, model);
    Bundle bundle = open_bundle_files();
    write_safetensors(bundle.reference(), test::reference_cases(bundle.directory, bundle.card.vocab_size));
    write_bundle_json(bundle.directory, bundle);
  }
  static void TearDownTestSuite() { home_.reset(); }
  /// Without looking at checksums, which are to be made anew.
  static Bundle open_bundle_files() {
    Bundle bundle;
    bundle.directory = *home_ / "bundle";
    options_from_json(read_json(bundle.directory / "bundle.json")["card"], bundle.card, "card");
    return bundle;
  }
  static QuantizeOptions options(const std::string& out, double smooth, bool bias_correction = false) {
    QuantizeOptions options;
    options.bundle = (*home_ / "bundle").string();
    options.data = (*home_ / "dataset").string();
    options.out = (*home_ / out).string();
    options.calibrator = "minmax";
    options.overwrite = true;
    options.smooth = smooth;
    options.bias_correction = bias_correction;
    return options;
  }
  static Tensor pixels() { return test::random_floats({8, 3, test::kHeight, test::kWidth}, 5); }
  static Tensor of_plan(const std::string& bundle, const std::string& precision,
                        const std::string& calibration = "") {
    BuildOptions build;
    build.bundle = (*home_ / bundle).string();
    build.out = (*home_ / "plan").string();
    build.overwrite = true;
    build.precision = precision;
    if (!calibration.empty()) build.calibration = (*home_ / calibration).string();
    build_plan(build);
    return run(open_plan_graph(open_plan_info(build.out), "image"), pixels());
  }
  static std::unique_ptr<test::TempDir> home_;
};
std::unique_ptr<test::TempDir> Smooth::home_;

TEST_F(Smooth, FactorsAreThoseOfThePaper) {
  const Graph graph = import_onnx(*home_ / "bundle/image.onnx");
  std::map<std::string, std::vector<float>> most;
  std::set<std::string> norms, products;
  for (const Node& node : graph.nodes()) {
    if (node.is("LayerNormalization")) norms.insert(graph.value(node.outputs[0]).name);
    if (node.is("MatMul") && graph.value(node.inputs[1]).is_constant())
      products.insert(graph.value(node.inputs[0]).name);
  }
  for (const std::string& name : products)
    for (int j = 0; j < test::kModelWidth; ++j) most[name].push_back(static_cast<float>(j));
  const Factors factors = smoothing_factors(graph, most, 0.25);
  ASSERT_EQ(factors.size(), 4u)
      << "two blocks of two LayerNorms; what comes out of an attention or a GELU stays";
  for (const auto& [name, factor] : factors) {
    EXPECT_TRUE(norms.count(name)) << name;
    ASSERT_EQ(factor.size(), static_cast<std::size_t>(test::kModelWidth));
    EXPECT_EQ(factor[0], 1) << "of a channel that is always 0";
    float weight = 0;
    for (const Node& node : graph.nodes()) {
      if (!node.is("MatMul") || graph.value(node.inputs[0]).name != name) continue;
      const Tensor& w = *graph.value(node.inputs[1]).constant;
      for (std::int64_t n = 0; n < w.dim(1); ++n)
        weight = std::max(weight, std::abs(w.data<float>()[7 * w.dim(1) + n]));
    }
    EXPECT_NEAR(factor[7], std::pow(7, 0.25) / std::pow(weight, 0.75), 1e-4 * factor[7]);
  }
}

TEST_F(Smooth, TheModelComputesTheSame) {
  const fs::path file = *home_ / "bundle/image.onnx";
  const Graph graph = import_onnx(file);
  std::map<std::string, TensorCalibration> tensors;
  Rng rng(4);
  for (const Node& node : graph.nodes())
    if (node.is("LayerNormalization"))
      for (int j = 0; j < test::kModelWidth; ++j)
        tensors[graph.value(node.outputs[0]).name].smooth.push_back(
            static_cast<float>(std::exp(rng.uniform(-4, 4))));
  const ChangedConstants changed = smoothed_constants(graph, tensors, "c.json");
  EXPECT_EQ(changed.size(), 2 * (2 + 3) + 2 * (2 + 1u))
      << "of each block scale and shift of a norm with q, k and v, and with fc1";
  Graph smooth = graph;
  set_constants(smooth, changed);
  const Tensor before = run(graph, pixels());
  EXPECT_LE(test::max_difference(before, run(smooth, pixels())), 2e-6);
  EXPECT_EQ(test::max_difference(before, run(graph, pixels())), 0) << "the graph itself stays";

  // The same in the file.
  ::onnx::ModelProto model = onnx_ir::read_model(file);
  set_constants(model, changed, "image.onnx");
  onnx_ir::write_model(*home_ / "smooth.onnx", model);
  EXPECT_EQ(test::max_difference(run(smooth, pixels()), run(import_onnx(*home_ / "smooth.onnx"), pixels())),
            0);

  const auto refused = [&](const std::map<std::string, TensorCalibration>& bad) {
    return invalid_input_of([&] { smoothed_constants(graph, bad, "c.json"); });
  };
  tensors.begin()->second.smooth.pop_back();
  EXPECT_NE(refused(tensors).find("c.json: 31 factors are to make"), std::string::npos);
  tensors = {{"elsewhere", {{}, 0, 0, {1, 2}, {}}}};
  EXPECT_NE(refused(tensors).find("another model"), std::string::npos);
}

/// x ─► Mul(w) ─► Add(b) = y ─► MatMul(m), as LayerNorms end below opset 17.
Graph decomposed(bool another_reader, bool shared_scale) {
  edgeclip::test::GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto w = m.graph.add_constant("w", Tensor::from<float>({4}, {1, 2, 3, 4}));
  const auto b = m.graph.add_constant("b", Tensor::from<float>({4}, {1, 1, 1, 1}));
  const auto y = m.node("Add", {b, m.node("Mul", {x, w})});
  m.graph.value(y).name = "y";
  const auto p = m.node("MatMul", {y, m.graph.add_constant("m", test::random_floats({4, 4}, 3))});
  ValueId out = another_reader ? m.node("Add", {p, y}) : p;
  if (shared_scale) out = m.node("Mul", {out, w});
  m.graph.outputs = {out};
  return m.graph;
}

TEST(SmoothPlaces, OlderLayerNormsAreFoundAndOtherReadersRefused) {
  const Factors most = {{"y", {1, 10, 100, 1000}}};
  const Graph graph = decomposed(false, false);
  const Factors factors = smoothing_factors(graph, most, 0.5);
  ASSERT_EQ(factors.size(), 1u);
  Graph smooth = graph;
  set_constants(smooth, smoothed_constants(graph, {{"y", {{}, 0, 0, factors.at("y"), {}}}}, "c.json"));
  const Tensor x = test::random_floats({5, 4}, 6);
  const Tensor before = run(graph, x), after = run(smooth, x);
  EXPECT_LE(test::max_difference(before, after), 1e-5);
  EXPECT_TRUE(smoothing_factors(decomposed(true, false), most, 0.5).empty()) << "a residual sum reads it too";
  EXPECT_TRUE(smoothing_factors(decomposed(false, true), most, 0.5).empty())
      << "its scale is somebody else's too";
}

TEST_F(Smooth, HelpsWhereChannelsDiffer) {
  const Tensor want = of_plan("bundle", "fp32");
  quantize_bundle(options("rough", 0));
  quantize_bundle(options("smooth", 0.5));
  const double rough = sqnr(want, of_plan("rough", "int8")), smooth = sqnr(want, of_plan("smooth", "int8"));
  EXPECT_GT(smooth, rough + 2) << rough;

  // A plan of the float bundle by the calibration is the same.
  EXPECT_LE(
      test::max_difference(of_plan("smooth", "int8"), of_plan("bundle", "int8", "smooth/calibration.json")),
      1e-6);
  const Json file = read_json(*home_ / "smooth/calibration.json");
  EXPECT_EQ(file["format"], 2) << "builds that know no factors must not use its ranges";
  EXPECT_EQ(file["smooth"], 0.5);
  EXPECT_EQ(read_json(*home_ / "rough/calibration.json")["format"], 1);
  EXPECT_EQ(Calibration::read(*home_ / "smooth/calibration.json").to_json().dump(), file.dump());
}

TEST_F(Smooth, AMeanThatRoundingMovedComesBack) {
  // One product: y = x W + b, the mean of x far from 0.
  const Tensor w = test::random_floats({32, 8}, 1), b = test::random_floats({8}, 2);
  const std::vector<float> mean(32, 3);
  const QuantizedWeights q = quantize_weights(w.view(), 1, 8, "w");
  const Tensor made = corrected_bias(b.view(), w.view(), q, mean);
  for (std::int64_t n = 0; n < 8; ++n) {
    double exact = b.data<float>()[n], rounded = made.data<float>()[n];
    for (std::int64_t k = 0; k < 32; ++k) {
      exact += 3.0 * w.data<float>()[k * 8 + n];
      rounded += 3.0 * q.scales.data<float>()[n] * q.values.data<std::int8_t>()[k * 8 + n];
    }
    EXPECT_NEAR(exact, rounded, 1e-5);
    EXPECT_NE(made.data<float>()[n], b.data<float>()[n]);
  }

  for (const double smooth : {0.0, 0.5}) {
    QuantizeOptions how = options("corrected", smooth, true);
    quantize_bundle(how);
    const Tensor corrected = of_plan("corrected", "int8");
    EXPECT_LE(test::max_difference(corrected, of_plan("bundle", "int8", "corrected/calibration.json")), 1e-6);
    how.bias_correction = false;
    how.out = (*home_ / "uncorrected").string();
    quantize_bundle(how);
    EXPECT_GT(test::max_difference(corrected, of_plan("uncorrected", "int8")), 1e-5)
        << "nothing was corrected?";
  }
}

TEST_F(Smooth, DamagedNumbersAreRefused) {
  quantize_bundle(options("whole", 0.5, true));
  const Json whole = read_json(*home_ / "whole/calibration.json");
  const std::string name = [&] {
    for (const auto& [key, entry] : whole["tensors"]["image"].items())
      if (entry.contains("smooth")) return key;
    return std::string();
  }();
  const auto refused = [&](const char* key, const Json& value, const std::string& part) {
    Json bad = whole;
    bad["tensors"]["image"][name][key][2] = value;
    write_json(*home_ / "bad.json", bad);
    const std::string text = invalid_input_of([&] { of_plan("bundle", "int8", "bad.json"); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  refused("smooth", 0, name + ".smooth: holds 0; calibrate again");
  refused("smooth", nullptr, "a list of numbers");
  refused("mean", 1e300, name + ".mean: holds 1e+300");
  QuantizeOptions bad = options("bad", 1.5);
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("--smooth 1.5: must be from 0 (off) to 1"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip::builder
