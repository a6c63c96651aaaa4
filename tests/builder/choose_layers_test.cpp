// Layers tried out in int8 one by one, and the search for those that stay float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "builder/build_plan.h"
#include "builder/import/onnx_import.h"
#include "builder/quantize/bundle_candidates.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/measure_sqnr.h"
#include "builder/quantize/mixed_search.h"
#include "builder/quantize/quantize.h"
#include "builder/transformer_bundle.h"
#include "bundle/excluded.h"
#include "engine/plan/plan.h"
#include "engine/runtime/session.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = engine::test;
namespace fs = std::filesystem;

namespace {

using test::invalid_input_of;

Tensor pixels() { return test::random_floats({6, 3, test::kHeight, test::kWidth}, 3); }

Tensor ids() {
  Tensor made(DType::i64, {5, 9});
  for (std::int64_t i = 0; i < made.elements(); ++i) made.data<std::int64_t>()[i] = (i * 7) % 20;
  return made;
}

double distance(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i)
    sum += std::pow(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i], 2);
  return sum;
}

/// Its R@1 falls by the noise of both towers, in thousandths of what all layers together make (about); so it
/// falls the more, the more layers are int8.
class NoiseProbe {
 public:
  OpenProbe open() {
    return [this](const Bundle&) {
      RetrievalProbe probe;
      probe.embed_images = [this](const RunTower& run) { return ++runs, run(pixels().view()); };
      probe.embed_texts = [this](const RunTower& run) { return ++runs, run(ids().view()); };
      probe.score = [this](const Tensor& images, const Tensor& texts) {
        if (!images_.defined()) images_ = images, texts_ = texts;  // float32 comes first
        return RetrievalScore{90 - 1000 * (distance(images, images_) + distance(texts, texts_)), 80};
      };
      probe.images = 6;
      probe.captions = 5;
      return probe;
    };
  }
  int runs = 0;

 private:
  Tensor images_, texts_;
};

class ChooseLayers : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ = std::make_unique<test::TempDir>();
    test::write_transformer_bundle(home_->path());
    QuantizeOptions first = options("static", "int8");
    quantize_bundle(first);
  }
  static void TearDownTestSuite() { home_.reset(); }

  static QuantizeOptions options(const std::string& method, const std::string& out = "") {
    QuantizeOptions options;
    options.method = method;
    options.bundle = (*home_ / "bundle").string();
    options.data = (*home_ / "dataset").string();
    options.out = out.empty() ? "" : (*home_ / out).string();
    options.overwrite = true;
    return options;
  }
  static TowerCandidates image_tower(bool calibrated = true) {
    GraphQuantization how;
    how.where = "bundle";
    if (calibrated) how.ranges = Calibration::read(*home_ / "int8/calibration.json").image;
    return {import_onnx(*home_ / "bundle/image.onnx"), how};
  }
  static Tensor of_plan(const std::string& precision, const std::string& calibration, Json* report = nullptr,
                        const std::string& bundle = "bundle") {
    BuildOptions build;
    build.bundle = (*home_ / bundle).string();
    build.out = (*home_ / "plan").string();
    build.overwrite = true;
    build.precision = precision;
    if (!calibration.empty()) build.calibration = (*home_ / calibration).string();
    const Json made = build_plan(build);
    if (report != nullptr) *report = made;
    const Session session(open_plan_graph(open_plan_info(build.out), "image"), {});
    Context context(session);
    return context.run({pixels().view()}).at(0);
  }
  static std::unique_ptr<test::TempDir> home_;
};
std::unique_ptr<test::TempDir> ChooseLayers::home_;

TEST(ExcludedParts, BehindAnEqualsSignStandsAWholeName) {
  EXPECT_TRUE(has_excluded_part("layers.1/MatMul_1", {"MatMul"}));
  EXPECT_TRUE(has_excluded_part("layers.1/MatMul_1", {"=layers.1/MatMul_1"}));
  EXPECT_FALSE(has_excluded_part("layers.1/MatMul_10", {"=layers.1/MatMul_1"}));
  EXPECT_FALSE(has_excluded_part("layers.1/MatMul", {"=layers.1/MatMul_1"}));
  EXPECT_FALSE(has_excluded_part("", {"=", ""}));
  using Parts = std::vector<std::string>;
  EXPECT_EQ(excluded_of({"fc", "image:=a", "text:b", "image", "image:"}, "image"),
            (Parts{"fc", "=a", "image", ""}));
  EXPECT_EQ(excluded_of({"fc", "image:=a", "text:b", "image", "onnx::x"}, "text"),
            (Parts{"fc", "b", "image", "onnx::x"}));
}

TEST_F(ChooseLayers, ACandidateIsWhatAPlanOfItWouldBe) {
  for (const bool calibrated : {true, false}) {
    const TowerCandidates tower = image_tower(calibrated);
    ASSERT_EQ(tower.layers().size(), 4 + 6 + 1u) << "q, k and v are one, but in the last block";
    std::set<std::string> all;
    for (const auto& layer : tower.layers()) all.insert(layer.key);
    EXPECT_LT(distance(tower.tower({}, false)(pixels().view()), of_plan("fp32", "")),
              calibrated ? 1e-9 : 1e-30)
        << "smooth or not";
    EXPECT_EQ(distance(tower.tower(all, true)(pixels().view()),
                       of_plan("int8", calibrated ? "int8/calibration.json" : "")),
              0);
  }
}

TEST_F(ChooseLayers, EveryLayerIsTriedByItself) {
  NoiseProbe probe;
  QuantizeOptions how = options("static");
  how.sensitivity = (*home_ / "layers.json").string();
  const Json report = quantize_bundle(how, probe.open());
  EXPECT_FALSE(report.contains("mixed"));
  const Json file = read_json(how.sensitivity);
  EXPECT_EQ(file["format"], 1);
  EXPECT_EQ(file["images"], 6);
  EXPECT_EQ(file["fp32"]["R@1"], 90);
  ASSERT_EQ(file["layers"].size(), 11 + 6u);
  EXPECT_EQ(probe.runs, 2 + 2 + 17) << "the other tower is not run again";
  std::set<std::string> nodes;
  double before = -200;
  for (const Json& layer : file["layers"]) {
    EXPECT_GE(layer["sqnr_db"].get<double>(), before);
    before = layer["sqnr_db"].get<double>();
    EXPECT_GT(before, 15) << layer;
    EXPECT_LT(before, 90) << layer;
    EXPECT_NEAR(layer["R@1_loss"].get<double>(), 90 - layer["R@1"].get<double>(), 1e-9);
    EXPECT_GT(layer["R@1_loss"].get<double>(), 0);
    for (const Json& node : layer["nodes"])
      EXPECT_TRUE(nodes.insert(layer["tower"].get<std::string>() + node.get<std::string>()).second) << node;
  }
  EXPECT_EQ(nodes.size(), 1 + 12 + 6u) << "every product of both towers, but the projections";
  how.overwrite = false;
  const std::string text = invalid_input_of([&] { quantize_bundle(how, probe.open()); });
  EXPECT_NE(text.find("--overwrite"), std::string::npos) << text;
}

TEST_F(ChooseLayers, AsFewLayersAsNeededStayFloat) {
  NoiseProbe probe;
  QuantizeOptions how = options("static", "mixed");
  how.max_recall_loss = 100;
  const Json all = quantize_bundle(how, probe.open())["mixed"];
  EXPECT_TRUE(all["float_layers"].empty());
  EXPECT_EQ(all["tower_runs"], 4) << "no layer is tried where all of them may be int8";
  const double loss = all["fp32"]["R@1"].get<double>() - all["int8"]["R@1"].get<double>();
  ASSERT_GT(loss, 0);

  how.max_recall_loss = 0.4 * loss;
  const Json mixed = quantize_bundle(how, probe.open())["mixed"];
  EXPECT_GE(mixed["result"]["R@1"].get<double>(), 90 - how.max_recall_loss);
  const std::size_t stay = mixed["float_layers"].size();
  EXPECT_GT(stay, 0u);
  EXPECT_LT(stay, 10u);
  EXPECT_EQ(mixed["int8_layers"].get<std::size_t>() + stay, 17u);

  // The bundle, and a plan by its calibration, are what was measured.
  const Bundle bundle = open_bundle(how.out);
  const auto& exclude = bundle.quantization.exclude;
  EXPECT_GE(exclude.size(), 2 + stay);
  EXPECT_EQ(bundle.provenance.back()["mixed"]["result"], mixed["result"]);
  std::size_t image = 0, image_nodes = 0;
  for (const Json& layer : mixed["float_layers"]) {
    image += layer["tower"] == "image" ? 1 : 0;
    image_nodes += layer["tower"] == "image" ? layer["nodes"].size() : 0;
    for (const Json& node : layer["nodes"])
      EXPECT_NE(std::find(exclude.begin(), exclude.end(),
                          layer["tower"].get<std::string>() + ":=" + node.get<std::string>()),
                exclude.end());
  }
  ASSERT_GT(image, 0u);
  Json report;
  const TowerCandidates tower = image_tower();
  std::set<std::string> int8;
  for (const auto& layer : tower.layers())
    if (std::none_of(mixed["float_layers"].begin(), mixed["float_layers"].end(),
                     [&](const Json& one) { return one["layer"] == layer.name && one["tower"] == "image"; }))
      int8.insert(layer.key);
  EXPECT_EQ(
      distance(tower.tower(int8, true)(pixels().view()), of_plan("int8", "mixed/calibration.json", &report)),
      0);
  EXPECT_EQ(report["image"]["int8_layers"].get<std::size_t>(), 11 - image);

  // One layer less in float32 would be too much.
  for (std::size_t i = 0; i < stay; ++i) {
    std::set<std::string> one_more = int8;
    if (mixed["float_layers"][i]["tower"] != "image") continue;
    for (const auto& layer : tower.layers())
      if (layer.name == mixed["float_layers"][i]["layer"]) one_more.insert(layer.key);
    const double saved = 1000 * (distance(tower.tower(one_more, true)(pixels().view()), of_plan("fp32", "")) -
                                 distance(tower.tower(int8, true)(pixels().view()), of_plan("fp32", "")));
    EXPECT_LT(mixed["result"]["R@1"].get<double>() - saved, 90 - how.max_recall_loss)
        << mixed["float_layers"][i];
  }
}

TEST_F(ChooseLayers, WhatInt8CannotKeepIsSaidInOneLine) {
  NoiseProbe probe;
  QuantizeOptions how = options("static", "none");
  how.max_recall_loss = 0;
  how.sensitivity = (*home_ / "none.json").string();
  try {
    quantize_bundle(how, probe.open());
    FAIL() << "0 points are kept by float32 alone";
  } catch (const CheckNotMet& error) {
    const std::string text = error.what();
    EXPECT_NE(
        text.find("--max-recall-loss 0: not one of 17 layers can be int8 within it (R@1 90.00 in float32"),
        std::string::npos)
        << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(how.out));
  EXPECT_EQ(read_json(how.sensitivity)["layers"].size(), 17u) << "what it is for";
}

TEST_F(ChooseLayers, DynamicBundlesHaveASearchToo) {
  NoiseProbe probe;
  QuantizeOptions how = options("dynamic", "dynamic");
  how.max_recall_loss = 100;
  const Json all = quantize_bundle(how, probe.open())["mixed"];
  how.max_recall_loss = 0.5 * (90 - all["int8"]["R@1"].get<double>());
  const Json mixed = quantize_bundle(how, probe.open())["mixed"];
  std::size_t image = 0;
  for (const Json& layer : mixed["float_layers"]) image += layer["tower"] == "image" ? 1 : 0;
  EXPECT_GT(mixed["float_layers"].size(), 0u);
  Json report;
  of_plan("int8", "", &report, "dynamic");
  EXPECT_EQ(report["image"]["int8_layers"].get<std::size_t>(), 11 - image);
}

TEST_F(ChooseLayers, OptionsThatHaveNoEffectAreRefused) {
  QuantizeOptions how = options("static", "refused");
  const auto refused = [&](const std::string& part) {
    const std::string text = invalid_input_of([&] { quantize_bundle(how); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  how.score_samples = 100;
  refused("--score-samples: has no effect without --sensitivity or --max-recall-loss");
  how = options("static", "refused");
  how.sensitivity = how.out + "/layers.json";
  refused("lies in the bundle");
  how = options("static", "refused");
  how.max_recall_loss = NAN;
  refused("--max-recall-loss nan");
  how.max_recall_loss = 1;
  how.data.clear();
  how.calibration = (*home_ / "int8/calibration.json").string();
  refused("--max-recall-loss measures retrieval; give --data DATASET");
}

TEST(Sqnr, ValuesThatAreNoNumbersAreTheWorst) {
  EXPECT_NEAR(decibels(100, 1), 20, 1e-12);
  EXPECT_EQ(decibels(1, 0), kMostDecibels);
  EXPECT_EQ(decibels(1, std::nan("")), -kMostDecibels);
  EXPECT_EQ(decibels(std::nan(""), 1), -kMostDecibels);
}

}  // namespace
}  // namespace edgeclip::builder
