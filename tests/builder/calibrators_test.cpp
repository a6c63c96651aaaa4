// Ranges of activations from histograms of known distributions.
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/histogram.h"
#include "support/support.h"

namespace edgeclip::builder {
namespace {

Histogram histogram_of(const std::vector<float>& values) {
  Histogram h;
  h.add(values.data(), static_cast<std::int64_t>(values.size()), "x");
  return h;
}

/// 60000 values of density 1 over [low, high], evenly spread.
std::vector<float> uniform(double low, double high) {
  std::vector<float> values;
  for (int i = 0; i < 60000; ++i)
    values.push_back(static_cast<float>(low + (high - low) * (i + 0.5) / 60000));
  return values;
}

std::vector<float> normal(int count, double deviation) {
  Rng rng(7);
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(rng.normal() * deviation));
  return values;
}

TEST(EntropyRange, KeepsAllOfAUniformDistribution) {
  for (const Range r : {Range{-2, 2}, Range{0, 5}, Range{-3, 0}}) {
    const Range kept = histogram_of(uniform(r.low, r.high)).entropy_range();
    EXPECT_NEAR(kept.low, r.low, 0.05) << r.low;
    EXPECT_NEAR(kept.high, r.high, 0.05) << r.high;
  }
}

TEST(EntropyRange, CutsOffAFewOutliersButNoneOfTheBulk) {
  std::vector<float> values = normal(200000, 1);
  values.push_back(60);
  values.push_back(-55);
  const Range kept = histogram_of(values).entropy_range();
  EXPECT_LT(kept.high, 20);
  EXPECT_GT(kept.high, 3);
  EXPECT_DOUBLE_EQ(kept.low, -kept.high) << "one threshold for both signs";
}

TEST(EntropyRange, ZerosOfAReluDoNotCount) {
  std::vector<float> positive;
  for (const float x : normal(100000, 1)) positive.push_back(std::fabs(x));
  std::vector<float> relu = positive;
  relu.insert(relu.end(), 900000, 0.0F);
  const Range without = histogram_of(positive).entropy_range(), with = histogram_of(relu).entropy_range();
  EXPECT_EQ(with.low, 0);
  EXPECT_NEAR(with.high, without.high, 0.05 * without.high);
}

TEST(EntropyRange, HoldsZeroAndTakesWhatHasNoShape) {
  EXPECT_EQ(Histogram().entropy_range().high, 0);
  const Range zeros = histogram_of(std::vector<float>(10, 0.0F)).entropy_range();
  EXPECT_EQ(zeros.low, 0);
  EXPECT_EQ(zeros.high, 0);
  const Range one = histogram_of({2, 2, 2}).entropy_range();
  EXPECT_EQ(one.low, 0);
  EXPECT_NEAR(one.high, 2, 0.01);
}

TEST(Calibrators, ChooseTheRangeThatTheirNameSays) {
  std::vector<float> values = normal(100000, 1);
  values.push_back(40);
  const Histogram h = histogram_of(values);
  const auto scale = [&](const char* calibrator, double percentile = 99.99) {
    CalibrationOptions options;
    options.calibrator = calibrator;
    options.percentile = percentile;
    return choose_scale(h, options).scale;
  };
  EXPECT_FLOAT_EQ(scale("minmax"), static_cast<float>((40 - h.min()) / 255));
  EXPECT_FLOAT_EQ(scale("percentile", 100), scale("minmax"));
  EXPECT_LT(scale("mse"), scale("minmax")) << "clipping the outlier a little costs less than it gains";
  for (const char* calibrator : {"percentile", "entropy"}) {
    EXPECT_LT(scale(calibrator), 0.5F * scale("minmax")) << calibrator << " keeps the one outlier";
    EXPECT_GT(scale(calibrator), 5.0F / 255) << calibrator << " cuts into the bulk";
  }
}

TEST(Calibrators, AnUnknownOneNamesTheNearest) {
  const std::string text = test::invalid_input_of([] { check_calibrator("entrpy", "--calibrator"); });
  EXPECT_NE(text.find("--calibrator entrpy: unknown"), std::string::npos) << text;
  EXPECT_NE(text.find("\"entropy\""), std::string::npos) << text;
}

}  // namespace
}  // namespace edgeclip::builder
