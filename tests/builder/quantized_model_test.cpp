// Plans in int8 and mixed precision of float32 models.
#include <gtest/gtest.h>


#include "base/npy.h"
#include "builder/build_plan.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/calibration.h"
#include "builder/quantized_build.h"
#include "engine/ops/interpreter.h"
#include "engine/plan/plan.h"

namespace edgeclip::builder {
namespace {

using namespace engine;
namespace fs = std::filesystem;
namespace ir = onnx_ir;
namespace test = engine::test;

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

}  // namespace
}  // namespace edgeclip::builder
