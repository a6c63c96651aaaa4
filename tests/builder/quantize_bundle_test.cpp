// From an fp32 bundle and a dataset to a Q/DQ bundle, to fused int8 graphs, and to a plan.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "builder/build_plan.h"
#include "builder/passes/passes.h"
#include "builder/quantize/quantize.h"
#include "builder/quantize/calibration.h"
#include "builder/transformer_bundle.h"
#include "builder/verify.h"
#include "engine/plan/plan.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = engine::test;
namespace fs = std::filesystem;

namespace {

using test::invalid_input_of;

/// One bundle for all tests of this file: making it takes longer than using it.
class QuantizeBundle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ = std::make_unique<test::TempDir>();
    test::write_transformer_bundle(home_->path());
  }
  static void TearDownTestSuite() { home_.reset(); }

  static QuantizeOptions options(const std::string& out) {
    QuantizeOptions options;
    options.bundle = (*home_ / "bundle").string();
    options.data = (*home_ / "dataset").string();
    options.out = (*home_ / out).string();
    options.samples = 20;
    return options;
  }
  static double worst_cosine(const std::string& bundle) {
    VerifyOptions options;
    options.bundle = (*home_ / bundle).string();
    double worst = 1;
    const Json report = verify_bundle(options);
    for (const Json& entry : report["cases"]) worst = std::min(worst, entry["cosine"].get<double>());
    return worst;
  }
  static std::unique_ptr<test::TempDir> home_;
};
std::unique_ptr<test::TempDir> QuantizeBundle::home_;

int count(const Graph& graph, const std::string& op) {
  return static_cast<int>(
      std::count_if(graph.nodes().begin(), graph.nodes().end(), [&](const Node& n) { return n.op == op; }));
}

TEST_F(QuantizeBundle, GivesABundleThatVerifies) {
  const Json report = quantize_bundle(options("int8"));
  EXPECT_EQ(report["samples"], 20);
  EXPECT_EQ(report["quantized"]["image"], 2 * 6);
  EXPECT_EQ(report["quantized"]["text"], 6);
  EXPECT_LT(report["bytes"]["image.onnx"]["int8"].get<double>(),
            0.5 * report["bytes"]["image.onnx"]["fp32"].get<double>());

  const Bundle bundle = open_bundle(*home_ / "int8");
  EXPECT_EQ(bundle.precision, "int8");
  EXPECT_EQ(bundle.provenance.size(), 2u);
  EXPECT_EQ(bundle.provenance.back()["command"], "quantize");
  EXPECT_EQ(open_bundle(*home_ / "bundle").precision, "fp32") << "the source is left as it was";
  const Calibration calibration = Calibration::read(*home_ / "int8" / "calibration.json");
  EXPECT_EQ(calibration.options.samples, 20);
  EXPECT_EQ(calibration.image.size(), 2 * 4u);  // q, k and v read one activation

  EXPECT_GE(worst_cosine("int8"), 0.99);
  EXPECT_LT(worst_cosine("int8"), 0.9999999) << "nothing was quantized?";
}

TEST_F(QuantizeBundle, EveryProductIsFused) {
  QuantizeOptions all = options("fused");
  all.exclude.clear();
  quantize_bundle(all);
  const Bundle bundle = open_bundle(*home_ / "fused");
  Graph image = import_onnx(bundle.image_onnx()), text = import_onnx(bundle.text_onnx());
  optimize(image);
  optimize(text);
  EXPECT_EQ(count(image, "QuantMatMul"), 11) << "q, k and v of the first block are one";
  EXPECT_EQ(count(image, "QuantizeLinear"), 9);
  EXPECT_EQ(count(text, "QuantMatMul"), 7);
  for (const Graph* graph : {&image, &text}) {
    EXPECT_EQ(count(*graph, "DequantizeLinear"), 0);
    EXPECT_EQ(count(*graph, "FusedMatMul"), graph == &image ? 1 : 0) << "the patches, which the file has in float";
    EXPECT_EQ(count(*graph, "Gelu") + count(*graph, "QuickGelu"), 0);
    for (const Node& node : graph->nodes()) {
      if (node.op != "QuantMatMul") continue;
      const bool fc1 = node.string_or("activation", "") != "";
      const std::string weights = graph->value(node.inputs[1]).name;
      EXPECT_EQ(fc1, weights.find("fc1") != std::string::npos) << weights;
      EXPECT_EQ(node.has_input(4),
                weights.find("fc2") != std::string::npos || weights.find("out_proj") != std::string::npos)
          << weights;
      EXPECT_EQ(node.has_input(3), weights.find("projection") == std::string::npos) << weights;
    }
  }
}

TEST_F(QuantizeBundle, PatchesAreExcludedByTheirName) {
  const auto patches = [](const fs::path& directory) {
    const Graph graph = import_onnx(directory / "image.onnx");
    for (const Node& node : graph.nodes())
      if (node.is("Conv")) return graph.value(node.inputs[1]).is_constant();
    return false;
  };
  quantize_bundle(options("patches"));
  EXPECT_FALSE(patches(*home_ / "patches")) << "int8 behind DequantizeLinear";
  QuantizeOptions without = options("no_patches");
  without.exclude = {"projection", "patches.weight"};
  quantize_bundle(without);
  EXPECT_TRUE(patches(*home_ / "no_patches"));
  BuildOptions build;
  build.bundle = without.out;
  build.out = (*home_ / "plan_without").string();
  build.precision = "int8";
  EXPECT_EQ(build_plan(build)["image"]["int8_layers"], 10);
}

TEST_F(QuantizeBundle, FastKernelsAgreeWithReadableOnes) {
  quantize_bundle(options("kernels"));
  const Bundle bundle = open_bundle(*home_ / "kernels");
  Graph optimized = import_onnx(bundle.image_onnx());
  optimize(optimized);
  SessionOptions reference;
  reference.reference = true;
  const Session fast(std::move(optimized), {}), slow(import_onnx(bundle.image_onnx()), reference);
  Context a(fast), b(slow);
  const Tensor pixels = test::random_floats({5, 3, test::kHeight, test::kWidth}, 9);
  // The same integers but for ties that fp32 rounding tips over, each worth one step of one activation.
  EXPECT_LE(test::max_difference(a.run({pixels.view()})[0], b.run({pixels.view()})[0]), 0.02);
}

TEST_F(QuantizeBundle, IsAPureFunctionOfItsInputs) {
  quantize_bundle(options("once"));
  quantize_bundle(options("again"));
  for (const char* file : {"image.onnx", "text.onnx", "calibration.json"})
    EXPECT_EQ(hash_file(*home_ / "once" / file), hash_file(*home_ / "again" / file)) << file;
}

TEST_F(QuantizeBundle, OptionsTakeEffect) {
  QuantizeOptions few = options("few");
  few.exclude = {"layers.0", "projection"};
  const Json report = quantize_bundle(few);
  EXPECT_EQ(report["quantized"]["image"], 13 - 6 - 1);
  EXPECT_EQ(report["quantized"]["text"], 0);  // that tower stays float32
  EXPECT_GE(worst_cosine("few"), 0.99);
  QuantizeOptions mse = options("mse");
  mse.range = "mse";
  quantize_bundle(mse);
  EXPECT_GE(worst_cosine("mse"), 0.99);
  QuantizeOptions seven = options("seven");
  seven.weight_bits = 7;
  quantize_bundle(seven);
  EXPECT_GE(worst_cosine("seven"), 0.98);
  QuantizeOptions clipped = options("clipped");
  clipped.percentile = 60;
  quantize_bundle(clipped);
  EXPECT_LT(worst_cosine("clipped"), worst_cosine("seven")) << "cutting off 40 % of the values must hurt";
}

TEST_F(QuantizeBundle, PlansAreBuiltFromQdqDatasetAndCalibrationAlike) {
  quantize_bundle(options("for_plan"));
  const Tensor pixels = test::random_floats({3, 3, test::kHeight, test::kWidth}, 4);
  const auto build = [&](const std::string& bundle, const std::string& calibration, const std::string& out) {
    BuildOptions build;
    build.bundle = (*home_ / bundle).string();
    build.out = (*home_ / out).string();
    build.precision = "int8";
    build.calibration = calibration.empty() ? "" : (*home_ / calibration).string();
    const Json report = build_plan(build);
    EXPECT_EQ(report["image"]["int8_layers"], 11) << "q, k and v are one, where all rows are asked for";
    EXPECT_EQ(report["image"]["layers"][0]["activations"], "row") << "the patches";
    EXPECT_EQ(report["image"]["layers"][1]["activations"], "tensor");
    const PlanInfo plan = open_plan_info(build.out);
    EXPECT_EQ(plan.precision, "int8");
    const Session session(open_plan_graph(plan, "image"), {});
    Context context(session);
    return context.run({pixels.view()}).at(0);
  };
  const Tensor qdq = build("for_plan", "", "plan_qdq");
  // Patches too, which the file has as int8 weights alone, and a plan with a scale for each.
  EXPECT_LE(test::max_difference(qdq, build("bundle", "for_plan/calibration.json", "plan_file")), 1e-6);
  // All 24 training pictures instead of 20: nearly the same scales.
  EXPECT_LE(test::max_difference(qdq, build("bundle", "dataset", "plan_data")), 0.05);
}

TEST_F(QuantizeBundle, DynamicStoresWeightsAndPlansFindScalesAsTheyRun) {
  QuantizeOptions dynamic = options("dynamic");
  dynamic.method = "dynamic";
  dynamic.data.clear();
  dynamic.samples = QuantizeOptions().samples;
  const Json report = quantize_bundle(dynamic);
  EXPECT_EQ(report["quantized"]["image"], 2 * 6 + 1) << "the patches' convolution too";
  EXPECT_EQ(report["quantized"]["text"], 6);
  EXPECT_FALSE(std::filesystem::exists(*home_ / "dynamic/calibration.json"));
  const Bundle bundle = open_bundle(*home_ / "dynamic");
  EXPECT_EQ(bundle.precision, "int8");
  EXPECT_EQ(bundle.quantization.method, "dynamic");
  EXPECT_GE(worst_cosine("dynamic"), 0.999);
  EXPECT_LT(worst_cosine("dynamic"), 0.9999999) << "nothing was quantized?";

  const Tensor pixels = test::random_floats({3, 3, test::kHeight, test::kWidth}, 4);
  const auto build = [&](const std::string& from, const std::string& out) {
    BuildOptions build;
    build.bundle = (*home_ / from).string();
    build.out = (*home_ / out).string();
    build.precision = "int8";
    const Json built = build_plan(build);
    EXPECT_EQ(built["image"]["int8_layers"], 11) << "all but the projection; some products are joined";
    const Session session(open_plan_graph(open_plan_info(build.out), "image"), {});
    Context context(session);
    return context.run({pixels.view()}).at(0);
  };
  // The same integers come out of the file as out of the floats they were made of.
  EXPECT_LE(test::max_difference(build("dynamic", "plan_dynamic"), build("bundle", "plan_rows")), 1e-5);
  // The file alone is built as the bundle is.
  BuildOptions file;
  file.model = (*home_ / "dynamic/image.onnx").string();
  file.shape = {fmt::format("{}=1x3x{}x{}:2x3x{}x{}:3x3x{}x{}", kPixelValues, test::kHeight, test::kWidth, test::kHeight,
                            test::kWidth, test::kHeight, test::kWidth)};
  file.batches = {};
  file.precision = "int8";
  file.out = (*home_ / "plan_of_file").string();
  EXPECT_GE(build_plan(file)["model"]["int8_layers"].get<int>(), 11);

  QuantizeOptions nothing = dynamic;
  nothing.out = (*home_ / "nothing").string();
  nothing.exclude = {"proj", "fc", "patches", "layers"};
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(nothing); }).find("left to quantize"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(nothing.out));

  Json json = read_json(*home_ / "dynamic/bundle.json");
  EXPECT_EQ(json["format"], 2) << "older versions would take it for float32";
  json["quantization"]["weight_bits"] = 5;
  write_json(*home_ / "dynamic/bundle.json", json);
  EXPECT_NE(invalid_input_of([&] { open_bundle(*home_ / "dynamic"); }).find("weight_bits: must be 7 or 8"),
            std::string::npos);
  json["quantization"]["weight_bits"] = 8;
  write_json(*home_ / "dynamic/bundle.json", json);
  BuildOptions float_plan;
  float_plan.bundle = (*home_ / "dynamic").string();
  float_plan.out = (*home_ / "plan_float").string();
  EXPECT_NE(invalid_input_of([&] { build_plan(float_plan); }).find("--precision int8"), std::string::npos);
}

TEST_F(QuantizeBundle, BadInputIsOneLineAndLeavesNothing) {
  QuantizeOptions bad = options("bad");
  bad.split = "validation";
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("validation"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(bad.out));
  bad = options("bad");
  bad.samples = 0;
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("--samples"), std::string::npos);
  bad = options("bad");
  bad.range = "mse";
  bad.percentile = 99;
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("no effect with --calibrator mse"),
            std::string::npos);
  bad = options("bad");
  bad.exclude = {"visual_projection", "layer.0."};  // of other models, one of them not by default
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("--exclude layer.0.: is in the name of no"),
            std::string::npos);
  bad.exclude = {"weight"};  // all there are
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("exclude"), std::string::npos);
  bad = options("bad");
  quantize_bundle(options("already"));
  bad.bundle = (*home_ / "already").string();
  EXPECT_NE(invalid_input_of([&] { quantize_bundle(bad); }).find("fp32"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(bad.out));

  for (const char* image : {"0.png", "1.png"}) {  // one that is not there, and one that is none
    const fs::path dataset = *home_ / (std::string("without_") + image);
    fs::copy(*home_ / "dataset", dataset, fs::copy_options::recursive);
    fs::remove(dataset / "images" / image);
    if (image[0] == '1') test::write_text(dataset / "images" / image, "no picture");
    bad = options("bad");
    bad.data = dataset.string();
    const std::string text = invalid_input_of([&] { quantize_bundle(bad); });
    EXPECT_NE(text.find(image), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_FALSE(fs::exists(bad.out));
  }
  {
    const fs::path dataset = *home_ / "empty";
    fs::copy(*home_ / "dataset", dataset, fs::copy_options::recursive);
    write_dataset(dataset, {.pairs = {{"test", 0, "images/0.png", "a person", -1}}, .tokenizer = "train:40", .context_length = 8});
    bad = options("bad");
    bad.data = dataset.string();
    const std::string text = invalid_input_of([&] { quantize_bundle(bad); });
    EXPECT_NE(text.find("has no images of split \"train\""), std::string::npos) << text;
  }
}

TEST_F(QuantizeBundle, ACalibrationFileIsUsedAgain) {
  QuantizeOptions first = options("first");
  first.weight_bits = 7;
  first.exclude = {"layers.0", "projection"};
  const Json report = quantize_bundle(first);
  QuantizeOptions second = options("second");
  second.data.clear();
  second.samples = QuantizeOptions().samples;
  second.calibration = (*home_ / "first/calibration.json").string();
  const Json again = quantize_bundle(second);
  for (const char* key : {"quantized", "weight_bits", "samples", "data", "range"}) EXPECT_EQ(again[key], report[key]) << key;
  for (const char* file : {"image.onnx", "text.onnx", "calibration.json"})
    EXPECT_EQ(hash_file(*home_ / "first" / file), hash_file(*home_ / "second" / file)) << file;
  EXPECT_EQ(open_bundle(second.out).quantization.exclude, first.exclude);

  second.overwrite = true;
  const auto refused = [&](const std::string& part) {
    const std::string text = invalid_input_of([&] { quantize_bundle(second); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  Calibration bad = Calibration::read(second.calibration);
  bad.text.clear();
  bad.image.erase(bad.image.begin());
  write_json(*home_ / "half.json", bad.to_json());
  second.calibration = (*home_ / "half.json").string();
  refused("half.json: tensors.image: has no range of");
  second.weight_bits = 7;
  refused("--weight-bits");
  second.data = first.data;
  refused("--data");
}

}  // namespace
}  // namespace edgeclip::builder
