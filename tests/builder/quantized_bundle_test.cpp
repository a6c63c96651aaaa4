// Plans in int8 and mixed precision of float32 bundles.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "builder/build_plan.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quantize.h"
#include "builder/quantized_build.h"
#include "builder/transformer_bundle.h"
#include "builder/verify.h"
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
