// What a profile says of every layer, and the roofs it is held against.
#include "engine/runtime/node_profile.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/float16.h"
#include "engine/small_graphs.h"

namespace edgeclip::engine {
namespace {

/// x (batch, 6) by float32 and bfloat16 weights, and the sum of both products.
Graph two_products() {
  test::GraphWriter g("products");
  const ValueId x = g.input("x", DType::f32, {-1, 6}, {"batch", ""});
  const auto product = [&](ValueId weights) {
    return g.node("FusedMatMul", {x, weights}, {{"activation", std::string()}}, "edgeclip");
  };
  const Tensor wide = test::random_floats({6, 4}, 1);
  Tensor narrow_weights(DType::bf16, {6, 4});
  narrow(wide.data<float>(), DType::bf16, narrow_weights.raw(), wide.elements());
  return g.finish({g.node("Add", {product(g.constant(wide)), product(g.constant(narrow_weights))})});
}

TEST(NodeProfile, SaysWhatEveryLayerIsAndCosts) {
  const Session session(two_products(), {});
  Context context(session);
  NodeProfile profile(context);
  const Tensor x = test::random_floats({5, 6}, 2);
  context.run({x.view()});
  profile.reset();
  for (int i = 0; i < 3; ++i) context.run({x.view()});
  const Json json = profile.json();
  EXPECT_EQ(json["runs"], 3);
  EXPECT_EQ(json["total_macs"], 2 * 5 * 6 * 4);
  ASSERT_EQ(json["layers"].size(), 3u);
  const Json& layer = json["layers"][0];
  EXPECT_EQ(layer["op"], "FusedMatMul");
  EXPECT_EQ(layer["macs"], 5 * 6 * 4);
  EXPECT_EQ(layer["bytes"], 4 * (5 * 6 + 6 * 4 + 5 * 4));
  EXPECT_EQ(layer["precision"], "fp32");
  EXPECT_EQ(json["layers"][1]["precision"], "bf16") << "that of the weights, whatever the result is";
  EXPECT_EQ(json["layers"][1]["dtype"], "float32");
  EXPECT_EQ(json["layers"][2]["macs"], 0);
  EXPECT_FALSE(layer.contains("roofline_share")) << "nobody measured the roofs";
  EXPECT_EQ(profile.multiplied_precisions(), (std::vector<std::string>{"fp32", "bf16"}));
}

TEST(NodeProfile, RooflineIsTheHigherOfTwoTimes) {
  const Session session(two_products(), {});
  Context context(session);
  NodeProfile profile(context);
  context.run({test::random_floats({5, 6}, 2).view()});
  MachinePeaks peaks;
  peaks.gmacs = 1e-6;  // 1000 multiply-accumulates a second: 120 take 120 ms
  peaks.gb_s = 1e-6;   // 1000 bytes a second: 296 take 296 ms
  peaks.buffer_bytes = 3 << 20;
  EXPECT_DOUBLE_EQ(peaks.attainable_seconds(120, 296), 0.296);
  EXPECT_DOUBLE_EQ(peaks.attainable_seconds(1200, 296), 1.2);
  const Json json = profile.json(peaks, {{"bf16", 1e-7}, {"fp32", 1e-6}});
  EXPECT_EQ(json["peak_gmacs"], 1e-6);
  EXPECT_EQ(json["peak_gmacs_bf16"], 1e-7);
  EXPECT_FALSE(json.contains("peak_gmacs_fp32"));
  EXPECT_EQ(json["peak_gb_s"], 1e-6);
  EXPECT_EQ(json["peak_buffer_mb"], 3);
  const auto least_ms = [&](std::size_t i) {
    const Json& layer = json["layers"][i];
    return layer["roofline_share"].get<double>() * layer["ms"].get<double>();
  };
  EXPECT_NEAR(least_ms(0), 296, 1e-6);
  EXPECT_NEAR(least_ms(1), 1200, 1e-6) << "a bf16 layer against its own roof";
  EXPECT_NEAR(least_ms(2), 4 * 60, 1e-6) << "an Add against that of memory";
}

TEST(MachinePeaks, AreMeasured) {
  const MachinePeaks peaks = measure_peaks(1);
  EXPECT_TRUE(std::isfinite(peaks.gmacs) && peaks.gmacs > 0) << peaks.gmacs;
  EXPECT_TRUE(std::isfinite(peaks.gb_s) && peaks.gb_s > 0) << peaks.gb_s;
  EXPECT_GE(peaks.buffer_bytes, 32 << 20);
  for (const char* precision : {"bf16", "int8"}) EXPECT_GT(measure_gmacs(precision, 1), 0) << precision;
}

}  // namespace
}  // namespace edgeclip::engine
