// Plans in int8 and mixed precision of float32 models and bundles.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/npy.h"
#include "builder/build_plan.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quantize.h"
#include "builder/transformer_bundle.h"
#include "builder/verify.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan.h"
#include "bundle/bundle.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
namespace fs = std::filesystem;
namespace ir = onnx_ir;
namespace test = engine::test;

double cosine(const Tensor& a, const Tensor& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = static_cast<double>(a.data<float>()[i]), y = static_cast<double>(b.data<float>()[i]);
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<std::string> precisions(const Json& part) {
  std::vector<std::string> result;
  for (const Json& layer : part["layers"]) result.push_back(layer["precision"].get<std::string>());
  return result;
}

/// x (batch, 3, 8, 8) ─► Conv ─► Relu ─► Conv ─► Relu ─► MaxPool ─► Conv(+ that) ─► Relu ─► Flatten ─► Gemm
/// loud: a channel of the second convolution is 1000 times the others, and the third reads all but that one,
/// without adding anything: a scale for all channels leaves it hardly anything.
void write_network(const fs::path& file, bool loud = false) {
  ir::GraphBuilder g("network");
  const auto x = g.input("x", DType::f32, {-1, 3, 8, 8}, {"batch", "", "", ""});
  std::uint64_t seed = 1;
  const auto conv = [&](const ir::Value& v, std::int64_t in, std::int64_t out, std::int64_t size) {
    Tensor w = test::random_floats({out, in, 3, 3}, seed++, 1 / std::sqrt(9.0 * static_cast<double>(in)));
    for (std::int64_t i = 0; loud && i < w.elements(); ++i) {
      if (seed == 3 && i < in * 9) w.data<float>()[i] *= 1000;
      if (seed == 4 && i / 9 % in == 0) w.data<float>()[i] = 0;
    }
    return g.node(
        "Conv",
        {v, g.initializer(fmt::format("w{}", seed), w),
         g.initializer(fmt::format("b{}", seed), test::random_floats({out}, seed + 50, 0.1))},
        DType::f32, {-1, out, size, size}, {ir::Attr::integers("pads", {1, 1, 1, 1})});
  };
  const auto relu = [&](const ir::Value& v, const Shape& shape) {
    return g.node("Relu", {v}, DType::f32, shape);
  };
  auto y = relu(conv(x, 3, 8, 8), {-1, 8, 8, 8});
  y = relu(conv(y, 8, 16, 8), {-1, 16, 8, 8});
  y = g.node("MaxPool", {y}, DType::f32, {-1, 16, 4, 4},
             {ir::Attr::integers("kernel_shape", {2, 2}), ir::Attr::integers("strides", {2, 2})});
  const auto third = conv(y, 16, 16, 4);
  y = relu(loud ? third : g.add(third, y), {-1, 16, 4, 4});
  y = g.reshape(y, {0, 256});
  const auto head = g.initializer("head", test::random_floats({256, 10}, 90, 0.06));
  g.output(g.matmul(y, head), "y", {"batch", ""});
  ir::write_model(file, g.model());
}

class QuantizedModel : public testing::Test {
 protected:
  void SetUp() override {
    write_network(dir_ / "m.onnx");
    fs::create_directories(dir_ / "samples");
    write_npy(dir_ / "samples/x.npy", test::random_floats({20, 3, 8, 8}, 100));
    options_.model = (dir_ / "m.onnx").string();
    options_.out = (dir_ / "plan").string();
    options_.batches = {};
    options_.shape = {"x=1x3x8x8:2x3x8x8:8x3x8x8"};
    options_.precision = "int8";
    options_.overwrite = true;
  }
  std::string message() const {
    return test::invalid_input_of([&] { build_plan(options_); });
  }
  void calibrated() { options_.calibration = (dir_ / "samples").string(); }
  Tensor run(const Tensor& x) const {
    const Session session(open_plan_graph(open_plan_info(options_.out), "model"), {});
    Context context(session);
    return context.run({x.view()}).at(0);
  }
  Tensor float_run(const Tensor& x) const {
    return run_reference(import_onnx(options_.model), {x.view()}).at(0);
  }
  test::TempDir dir_;
  BuildOptions options_;
};

TEST_F(QuantizedModel, CalibratedByAFolderIsCloseToFloat) {
  calibrated();
  const Tensor x = test::random_floats({5, 3, 8, 8}, 7);
  for (const char* calibrator : {"minmax", "percentile", "entropy", "mse"}) {
    options_.calibrator = calibrator;
    const Json report = build_plan(options_);
    const Json& part = report["model"];
    EXPECT_EQ(part["int8_layers"], 3);
    EXPECT_EQ(precisions(part), (std::vector<std::string>{"fp32", "int8", "int8", "int8"}))
        << "what reads the input stays";
    EXPECT_EQ(part["layers"][1]["activations"], "tensor");
    EXPECT_EQ(part["passes"]["quantize_layers"], 3);
    EXPECT_EQ(part["reference_layers"], Json::array());
    EXPECT_EQ(open_plan_info(options_.out).precision, "int8");
    EXPECT_GT(cosine(float_run(x), run(x)), 0.995) << calibrator;
    EXPECT_LT(cosine(float_run(x), run(x)), 0.9999999) << "nothing was quantized?";
  }
}

TEST_F(QuantizedModel, WithoutCalibrationProductsAreQuantizedByRow) {
  const Json report = build_plan(options_);
  EXPECT_EQ(precisions(report["model"]), (std::vector<std::string>{"fp32", "fp32", "fp32", "int8"}));
  EXPECT_EQ(report["model"]["layers"][3]["activations"], "row");
  const Tensor x = test::random_floats({8, 3, 8, 8}, 7), all = run(x);
  EXPECT_GT(cosine(float_run(x), all), 0.999);
  for (std::int64_t b = 0; b < 8; ++b) {
    Tensor one(DType::f32, {1, 3, 8, 8});
    std::copy_n(x.data<float>() + b * one.elements(), one.elements(), one.data<float>());
    const Tensor alone = run(one);
    for (std::int64_t i = 0; i < 10; ++i)
      EXPECT_NEAR(alone.data<float>()[i], all.data<float>()[b * 10 + i], 1e-4);
  }
}

TEST_F(QuantizedModel, MixedLeavesWhatInt8WouldHurt) {
  calibrated();
  options_.precision = "mixed";
  Json report = build_plan(options_);
  EXPECT_EQ(report["precision"], "mixed");
  EXPECT_EQ(precisions(report["model"]), (std::vector<std::string>{"bf16", "int8", "int8", "int8"}));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_GT(report["model"]["layers"][i]["sqnr_db"].get<double>(), kMixedMinSqnr);
    EXPECT_LT(report["model"]["layers"][i]["sqnr_db"].get<double>(), 60);
  }
  EXPECT_TRUE(report["model"]["layers"][0]["sqnr_db"].is_null());
  EXPECT_EQ(open_plan_info(options_.out).precision, "mixed");
  const Tensor x = test::random_floats({5, 3, 8, 8}, 7);
  EXPECT_GT(cosine(float_run(x), run(x)), 0.995);

  write_network(dir_ / "m.onnx", true);
  report = build_plan(options_);
  EXPECT_EQ(precisions(report["model"]), (std::vector<std::string>{"bf16", "int8", "bf16", "int8"}));
  EXPECT_LT(report["model"]["layers"][2]["sqnr_db"].get<double>(), 20);
  EXPECT_GT(cosine(float_run(x), run(x)), 0.995);
  options_.precision = "int8";
  build_plan(options_);
  EXPECT_LT(cosine(float_run(x), run(x)), 0.99) << "then why measure";
  options_.precision = "mixed";

  options_.mixed_min_sqnr = 90;
  report = build_plan(options_);
  EXPECT_EQ(report["model"]["int8_layers"], 0);
  EXPECT_EQ(precisions(report["model"]), std::vector<std::string>(4, "bf16"));
  EXPECT_GT(cosine(float_run(x), run(x)), 0.9999);
}

TEST_F(QuantizedModel, RefusalsNameTheRemedy) {
  options_.precision = "mixed";
  EXPECT_NE(message().find("--precision mixed: measures every layer on samples; give --calibration FOLDER"),
            std::string::npos);
  options_.calibration = (dir_ / "nowhere").string();
  EXPECT_NE(message().find("is no folder"), std::string::npos);
  fs::create_directories(dir_ / "empty");
  options_.calibration = (dir_ / "empty").string();
  EXPECT_NE(message().find("x.npy: is missing"), std::string::npos);
  test::write_text(dir_ / "empty/dataset.json", "{}");
  EXPECT_NE(message().find("--card"), std::string::npos);
  calibrated();
  options_.calibrator = "kl";
  EXPECT_NE(message().find("--calibrator kl: unknown"), std::string::npos);
  options_.calibrator = "percentile";
  options_.mixed_min_sqnr = std::nan("");
  EXPECT_NE(message().find("--mixed-min-sqnr"), std::string::npos);
  options_.mixed_min_sqnr = 20;
  options_.precision = "int8";
  EXPECT_NE(message().find("--mixed-min-sqnr 20: has no effect with --precision int8"), std::string::npos);
  options_.mixed_min_sqnr = kMixedMinSqnr;
  options_.precision = "bf16";
  EXPECT_NE(message().find("has no effect with --precision bf16"), std::string::npos);
  options_.calibration.clear();
  options_.calibrator = "mse";
  EXPECT_NE(message().find("--calibrator mse: has no effect without --calibration"), std::string::npos);
  EXPECT_FALSE(fs::exists(options_.out));
}

class QuantizedBundle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ = std::make_unique<test::TempDir>();
    test::write_transformer_bundle(home_->path());
  }
  static void TearDownTestSuite() { home_.reset(); }

  static BuildOptions options(const std::string& precision, const std::string& calibration = "") {
    BuildOptions options;
    options.bundle = (*home_ / "bundle").string();
    options.out = (*home_ / "plan").string();
    options.precision = precision;
    options.overwrite = true;
    if (!calibration.empty()) options.calibration = (*home_ / calibration).string();
    return options;
  }
  static double worst_cosine() {
    VerifyOptions options;
    options.bundle = (*home_ / "bundle").string();
    const PlanInfo plan = open_plan_info(*home_ / "plan");
    const Session image(open_plan_graph(plan, "image"), {}), text(open_plan_graph(plan, "text"), {});
    const auto run = [](const Session& session, const TensorView& input) {
      Context context(session);
      return context.run({input}).at(0);
    };
    const PlanUnderTest tested = {"plan", plan.precision, plan.card,
                                  [&](const TensorView& pixels) { return run(image, pixels); },
                                  [&](const TensorView& tokens) { return run(text, tokens); }};
    double worst = 1;
    const Json report = verify_bundle(options, &tested);
    for (const Json& entry : report["cases"]) worst = std::min(worst, entry["cosine"].get<double>());
    return worst;
  }
  static std::string message(const BuildOptions& options) {
    return test::invalid_input_of([&] { build_plan(options); });
  }
  static std::unique_ptr<test::TempDir> home_;
};
std::unique_ptr<test::TempDir> QuantizedBundle::home_;

// q, k and v are one product, but for the last block, where q is of one row alone.
TEST_F(QuantizedBundle, IsCalibratedByADataset) {
  const Json report = build_plan(options("int8", "dataset"));
  EXPECT_EQ(report["image"]["int8_layers"], 4 + 6 + 1);
  EXPECT_EQ(report["text"]["int8_layers"], 6);
  EXPECT_EQ(report["image"]["layers"].size(), 4 + 6 + 2u) << "the projection stays, and is named";
  EXPECT_EQ(report["image"]["passes"]["requantize"], 2) << "fc1 hands int8 to fc2";
  EXPECT_GT(worst_cosine(), 0.99);
  EXPECT_FALSE(fs::exists(*home_ / "plan/calibrated"));
}

TEST_F(QuantizedBundle, NeedsNoCalibrationByRow) {
  const Json report = build_plan(options("int8"));
  EXPECT_EQ(report["image"]["int8_layers"], 4 + 6 + 1);
  EXPECT_EQ(report["text"]["layers"][0]["activations"], "row");
  EXPECT_GT(worst_cosine(), 0.99);
  EXPECT_LT(worst_cosine(), 0.9999999);
}

TEST_F(QuantizedBundle, RowsDoNotDependOnTheBatch) {
  build_plan(options("int8"));
  const Session session(open_plan_graph(open_plan_info((*home_ / "plan").string()), "text"), {});
  Context context(session);
  Tensor ids(DType::i64, {8, 9});
  for (std::int64_t i = 0; i < ids.elements(); ++i) ids.data<std::int64_t>()[i] = (i * 7) % 20;
  const Tensor all = context.run({ids.view()}).at(0);
  for (std::int64_t b = 0; b < 8; ++b) {
    Tensor one(DType::i64, {1, 9});
    std::copy_n(ids.data<std::int64_t>() + b * 9, 9, one.data<std::int64_t>());
    const Tensor alone = context.run({one.view()}).at(0);
    for (std::int64_t i = 0; i < alone.elements(); ++i)
      EXPECT_NEAR(alone.data<float>()[i], all.data<float>()[b * alone.elements() + i], 1e-5) << b;
  }
}

TEST_F(QuantizedBundle, MixedMeasuresBothTowers) {
  const Json report = build_plan(options("mixed", "dataset"));
  for (const char* tower : {"image", "text"}) {
    int measured = 0;
    for (const Json& layer : report[tower]["layers"]) {
      const bool int8 = layer["precision"] == "int8";
      if (layer["sqnr_db"].is_null()) continue;
      ++measured;
      EXPECT_EQ(int8, layer["sqnr_db"].get<double>() >= kMixedMinSqnr) << layer;
    }
    EXPECT_EQ(measured, std::string(tower) == "image" ? 11 : 6);
  }
  EXPECT_GT(worst_cosine(), 0.99);
}

TEST_F(QuantizedBundle, TakesWhatQuantizeWroteAndNothingOfAnotherModel) {
  QuantizeOptions quantize;
  quantize.bundle = (*home_ / "bundle").string();
  quantize.data = (*home_ / "dataset").string();
  quantize.out = (*home_ / "int8").string();
  quantize.calibrator = "entropy";
  quantize_bundle(quantize);
  Calibration calibration = Calibration::read(*home_ / "int8/calibration.json");
  EXPECT_EQ(calibration.options.calibrator, "entropy");
  EXPECT_EQ(build_plan(options("int8", "int8/calibration.json"))["image"]["int8_layers"], 4 + 6 + 1);

  EXPECT_NE(message(options("mixed", "int8/calibration.json")).find("give --calibration DATASET"),
            std::string::npos);
  BuildOptions chosen = options("int8", "int8/calibration.json");
  chosen.calibrator = "mse";
  EXPECT_NE(message(chosen).find("--calibrator mse"), std::string::npos);
  BuildOptions other = options("mixed", "dataset");
  other.bundle = quantize.out;
  EXPECT_NE(message(other).find("holds an int8 model"), std::string::npos);

  const auto refused = [&](const Calibration& bad, const std::string& part) {
    write_json(*home_ / "bad.json", bad.to_json());
    const std::string text = message(options("int8", "bad.json"));
    EXPECT_NE(text.find("bad.json: " + part), std::string::npos) << text;
    EXPECT_NE(text.find("calibrate again with quantize --data DATASET"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  };
  Calibration bad = calibration;
  bad.text.clear();
  refused(bad, "tensors.text: is empty, and products of text.onnx read 4 values; the file was made for one tower only");
  bad = calibration;
  const std::string lost = bad.image.begin()->first;
  bad.image.erase(lost);
  refused(bad, "tensors.image: has no range of \"" + lost + "\", which products of image.onnx read");
  bad = calibration;
  bad.text["elsewhere"] = {};
  refused(bad, "tensors.text: names \"elsewhere\", which no product of text.onnx reads; the file was made for another model");
  // What is excluded needs no range, and may have one.
  bad = calibration;
  bad.options.exclude.push_back("layers.0");
  bad.text.clear();
  write_json(*home_ / "fewer.json", bad.to_json());
  EXPECT_EQ(build_plan(options("int8", "fewer.json"))["text"]["int8_layers"], 0);
}

TEST_F(QuantizedBundle, HasRangesOfItsOwnWhereItsModelWasTrainedWithThem) {
  CalibrationOptions how;
  how.data = (*home_ / "dataset").string();
  how.samples = 20;
  const Bundle bundle = open_bundle(*home_ / "bundle");
  const fs::path own = *home_ / "own";
  fs::remove_all(own);
  fs::copy(bundle.directory, own, fs::copy_options::recursive);
  write_json(own / kCalibrationFile, calibrate(bundle, how, 8).to_json());
  write_bundle_json(own, bundle);

  BuildOptions build = options("int8");
  build.bundle = own.string();
  const auto activations = [](const Json& report) { return report["text"]["layers"][0]["activations"]; };
  EXPECT_EQ(activations(build_plan(build)), "tensor");
  const auto hash = open_plan_info(*home_ / "plan").model_hash;
  build_plan(options("int8", "own/calibration.json"));
  EXPECT_EQ(open_plan_info(*home_ / "plan").model_hash, hash) << "as if they had been named";

  build.calibration = (*home_ / "dataset").string();  // what is named counts
  build_plan(build);
  EXPECT_NE(open_plan_info(*home_ / "plan").model_hash, hash);
  build.calibration.clear();
  build.calibrator = "mse";
  EXPECT_NE(message(build).find("--calibrator mse: has no effect without --calibration"), std::string::npos);
  build.calibrator = BuildOptions().calibrator;
  build.precision = "mixed";
  EXPECT_NE(message(build).find("give --calibration DATASET"), std::string::npos) << "which measures";
  build.precision = "fp32";
  EXPECT_NO_THROW(build_plan(build));
}

// Convolutions were not among what is calibrated at first.
TEST(OlderCalibration, WithoutConvolutionsIsRefusedForWhatItIs) {
  const test::TempDir dir;
  Bundle bundle;
  bundle.directory = dir.path();
  for (const char* tower : {"image.onnx", "text.onnx"}) write_network(dir / tower);
  Calibration whole;
  whole.options.exclude.clear();
  std::set<std::string> products;
  for (const QuantizableProduct& product : find_quantizable(ir::read_model(dir / "image.onnx"), {})) {
    whole.image[product.activation] = whole.text[product.activation] = {};
    if (!product.convolution) products.insert(product.activation);
  }
  ASSERT_EQ(whole.image.size(), 3u);
  ASSERT_EQ(products.size(), 1u);
  EXPECT_NO_THROW(require_calibration_of(bundle, whole, "new.json"));
  const auto refused = [&](const Calibration& calibration) {
    return test::invalid_input_of([&] { require_calibration_of(bundle, calibration, "old.json"); });
  };
  Calibration old = whole;
  for (const auto& [name, tensor] : whole.image)
    if (!products.count(name)) old.image.erase(name);
  const std::string expected = "old.json: tensors.image: has no ranges of what convolutions of image.onnx read, like files of older "
                               "versions; calibrate again with quantize --data DATASET";
  EXPECT_EQ(refused(old), expected);
  // A tower whose products are all excluded: nothing is left of it, and yet the file was not made for one tower only.
  old.options.exclude = {"head"};
  old.image.clear();
  EXPECT_EQ(refused(old), expected);
  // What products read is missed by name.
  old = whole;
  old.image.erase(*products.begin());
  EXPECT_NE(refused(old).find("has no range of \"" + *products.begin() + "\", which products of image.onnx read"), std::string::npos);
  old.image.clear();
  EXPECT_NE(refused(old).find("the file was made for one tower only"), std::string::npos);
}

TEST_F(QuantizedBundle, ItsDatasetCalibratesAnyModelOfOneImage) {
  write_network(*home_ / "m.onnx");
  BuildOptions build = options("int8", "dataset");
  build.bundle.clear();
  build.batches.clear();
  build.model = (*home_ / "m.onnx").string();
  build.shape = {"x=1x3x8x8:2x3x8x8:4x3x8x8"};
  build.card = (*home_ / "card.json").string();
  test::write_text(build.card, R"({"task": "none", "image": {"height": 8, "width": 8}})");
  const Json report = build_plan(build);
  EXPECT_EQ(report["model"]["int8_layers"], 3);
  EXPECT_EQ(report["model"]["layers"][1]["activations"], "tensor");
  test::write_text(build.card, R"({"task": "none", "image": {"height": 8, "width": 9}})");
  EXPECT_NE(message(build).find("(batch, 3, 8, 9) float32"), std::string::npos);
  build.card.clear();
  EXPECT_NE(message(build).find("give --card"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::builder
