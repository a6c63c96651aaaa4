// The arithmetic of quantization, histograms, and the Q/DQ writer.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <set>

#include "base/rng.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/histogram.h"
#include "builder/quantize/qdq_writer.h"
#include "builder/quantize/quant_math.h"
#include "builder/quantize/quantize.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"
#include "support/support.h"

namespace edgeclip::builder {

namespace {

TEST(QuantMath, RangesHoldZeroExactly) {
  for (const Range r : {Range{-1, 3}, Range{0.5, 2}, Range{-7, -3}, Range{0, 1e-5}, Range{-1e6, 10}}) {
    const ActivationScale s = activation_scale(r.low, r.high);
    EXPECT_EQ(dequantize_value(quantize_value(0, s), s), 0.0f);
    // Every value of the range comes back within half a step (a whole one at the ends, where the zero point
    // rounded).
    for (double x = std::min(r.low, 0.0); x <= std::max(r.high, 0.0); x += (r.high - r.low) / 97)
      EXPECT_NEAR(dequantize_value(quantize_value(static_cast<float>(x), s), s), x, 1.0001 * s.scale);
  }
  EXPECT_EQ(activation_scale(0, 0).scale, 1.0f);
  EXPECT_EQ(activation_scale(0, 0).zero_point, 0);
  const ActivationScale s = activation_scale(-1, 1);
  EXPECT_EQ(quantize_value(1e30f, s), 255);
  EXPECT_EQ(quantize_value(-1e30f, s), 0);
}

TEST(QuantMath, RoundsHalfToEven) {
  const ActivationScale s{2.0f, 10};
  EXPECT_EQ(quantize_value(1.0f, s), 10);   // 0.5 -> 0
  EXPECT_EQ(quantize_value(3.0f, s), 12);   // 1.5 -> 2
  EXPECT_EQ(quantize_value(-1.0f, s), 10);  // -0.5 -> 0
}

TEST(QuantMath, WeightsHaveAScalePerColumn) {
  const Tensor w = Tensor::from<float>({2, 3}, {1, -10, 0, -2, 5, 0});
  for (const int bits : {7, 8}) {
    const float top = bits == 8 ? 127 : 63;
    const QuantizedWeights q = quantize_weights(w.view(), 1, bits, "w");
    EXPECT_FLOAT_EQ(q.scales.data<float>()[0], 2 / top);
    EXPECT_FLOAT_EQ(q.scales.data<float>()[1], 10 / top);
    EXPECT_EQ(q.scales.data<float>()[2], 1);
    EXPECT_EQ(q.values.data<std::int8_t>()[3], -top);
    EXPECT_EQ(q.values.data<std::int8_t>()[1], -top);
    for (int i = 0; i < 6; ++i) {
      const float scale = q.scales.data<float>()[i % 3];
      EXPECT_NEAR(q.values.data<std::int8_t>()[i] * scale, w.data<float>()[i], 0.5001 * scale);
    }
  }
  const Tensor bad = Tensor::from<float>({1, 2}, {1, NAN});
  EXPECT_NE(test::invalid_input_of([&] { quantize_weights(bad.view(), 1, 8, "model: \"w\""); }).find("\"w\""),
            std::string::npos);
}

TEST(Histogram, KeepsExactMinAndMaxAndCountsWhateverTheOrder) {
  Histogram h;
  EXPECT_EQ(h.count(), 0);
  EXPECT_EQ(h.percentile_range(99).high, 0);
  const std::vector<float> zeros(10, 0.0f), small = {0.001f, -0.002f}, large = {500.0f, -3.0f};
  for (const auto* values : {&zeros, &small, &large})
    h.add(values->data(), static_cast<std::int64_t>(values->size()), "x");
  EXPECT_EQ(h.count(), 14);
  EXPECT_FLOAT_EQ(static_cast<float>(h.min()), -3.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(h.max()), 500.0f);
  const Range all = h.percentile_range(100);
  EXPECT_EQ(all.low, h.min());
  EXPECT_EQ(all.high, h.max());
}

TEST(Histogram, PercentilesAreThoseOfTheSortedValues) {
  Rng rng(3);
  std::vector<float> values;
  Histogram h;
  for (int batch = 0; batch < 20; ++batch) {
    std::vector<float> part;
    for (int i = 0; i < 2000; ++i)
      part.push_back(static_cast<float>(rng.normal() * (1 + batch) + 2));  // the range grows
    h.add(part.data(), static_cast<std::int64_t>(part.size()), "x");
    values.insert(values.end(), part.begin(), part.end());
  }
  std::sort(values.begin(), values.end());
  const double bin = std::max(-h.min(), h.max()) / 2048;
  for (const double p : {90.0, 99.0, 99.9}) {
    const auto cut = static_cast<std::size_t>((1 - p / 100) / 2 * static_cast<double>(values.size()));
    const Range r = h.percentile_range(p);
    EXPECT_NEAR(r.low, values[cut], bin);
    EXPECT_NEAR(r.high, values[values.size() - 1 - cut], bin);
  }
}

double mean_square_error(const std::vector<float>& values, const Range& r) {
  const ActivationScale s = activation_scale(r.low, r.high);
  double sum = 0;
  for (const float x : values) sum += std::pow(dequantize_value(quantize_value(x, s), s) - x, 2);
  return sum / static_cast<double>(values.size());
}

TEST(Histogram, LeastErrorRangeIsThatOfAnExhaustiveSearch) {
  Rng rng(5);
  std::vector<float> outliers, uniform;
  for (int i = 0; i < 20000; ++i) outliers.push_back(static_cast<float>(rng.normal()));
  for (int i = 0; i < 20; ++i) outliers.push_back(static_cast<float>(rng.uniform(-6, 9)));
  for (int i = 0; i < 20000; ++i) uniform.push_back(static_cast<float>(rng.uniform(-1, 3)));
  for (const auto* values : {&outliers, &uniform}) {
    Histogram h;
    h.add(values->data(), static_cast<std::int64_t>(values->size()), "x");
    double least = mean_square_error(*values, h.percentile_range(100));
    for (double low = 0.2; low <= 1; low += 0.1)
      for (double high = 0.2; high <= 1; high += 0.1)
        least = std::min(least, mean_square_error(*values, {low * h.min(), high * h.max()}));
    EXPECT_LE(mean_square_error(*values, h.least_error_range()), 1.03 * least);
  }
}

TEST(Histogram, RefusesValuesThatAreNotFinite) {
  Histogram h;
  const float values[] = {1, INFINITY};
  EXPECT_NE(
      test::invalid_input_of([&] { h.add(values, 2, "image.onnx: value \"fc\""); }).find("value \"fc\""),
      std::string::npos);
}

/// x (batch, 4) -> two products of x (one weight used twice, in other layers) -> a third product.
::onnx::ModelProto small_model() {
  onnx_ir::GraphBuilder b("small");
  Rng rng(1);
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    Tensor t(DType::f32, {rows, columns});
    for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
    return b.initializer(name, t);
  };
  const auto x = b.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto shared = matrix("shared", 4, 4), last = matrix("head.weight", 4, 2);
  const auto q = b.matmul(x, shared), k = b.matmul(x, matrix("k.weight", 4, 4));
  const auto again = b.matmul(b.add(q, k), shared);
  b.output(b.matmul(b.add(again, k), last), "y", {"batch", ""});
  return onnx_ir::whole(b.model());
}

std::map<std::string, int> count_ops(const ::onnx::ModelProto& model) {
  std::map<std::string, int> out;
  for (const auto& node : model.graph().node()) ++out[node.op_type()];
  return out;
}

TEST(QdqWriter, QuantizesSharedActivationsAndWeightsOnce) {
  ::onnx::ModelProto model = small_model();
  const auto found = find_quantizable(model, {});
  ASSERT_EQ(found.size(), 4u);
  std::map<std::string, ActivationScale> scales;
  for (const auto& matmul : found) scales[matmul.activation] = {0.05f, 120};
  EXPECT_EQ(scales.size(), 3u);  // x feeds two
  EXPECT_EQ(insert_qdq(model, scales, {}, 8, "small.onnx"), 4);
  auto ops = count_ops(model);
  EXPECT_EQ(ops["QuantizeLinear"], 3);
  EXPECT_EQ(ops["DequantizeLinear"], 3 + 3);  // activations, weights (one is used twice)
  EXPECT_EQ(ops["MatMul"], 4);
  onnx_ir::check_model(model, "small.onnx");

  std::set<std::string> names;
  for (const auto& tensor : model.graph().initializer()) names.insert(tensor.name());
  EXPECT_FALSE(names.count("k.weight")) << "float32 weights that nobody reads must go";
  EXPECT_TRUE(find_quantizable(model, {}).empty()) << "a second run finds nothing";
}

/// ids ─► Gather(table) ─► MatMul ─► y
onnx_ir::Model table_model() {
  onnx_ir::GraphBuilder b("table");
  Rng rng(3);
  Tensor table(DType::f32, {50, 4}), w(DType::f32, {4, 3});
  for (Tensor* t : {&table, &w})
    for (std::int64_t i = 0; i < t->elements(); ++i) t->data<float>()[i] = static_cast<float>(rng.normal());
  const auto ids = b.input("ids", DType::i64, {-1}, {"batch"});
  const auto rows = b.gather(b.initializer("table", table), ids, 0);
  b.output(b.matmul(rows, b.initializer("w", w)), "y", {"batch"});
  return b.model();
}

TEST(QdqWriter, TablesHaveAScalePerRowOf8BitsAlways) {
  ::onnx::ModelProto model = onnx_ir::whole(table_model());
  Int8WeightsOptions options;
  options.bits = 7;
  EXPECT_EQ(store_int8_weights(model, options, "table.onnx").tables, 0) << "small";
  model = onnx_ir::whole(table_model());
  options.smallest_table = 200;
  const Int8Weights counts = store_int8_weights(model, options, "table.onnx");
  EXPECT_EQ(counts.tables, 1);
  EXPECT_EQ(counts.products, 1);
  EXPECT_TRUE(onnx_ir::check_model(model, "table.onnx"));
  std::map<std::string, Tensor> constants;
  for (const auto& tensor : model.graph().initializer())
    constants[tensor.name()] = onnx_ir::tensor_from_proto(tensor, "", tensor.name());
  EXPECT_FALSE(constants.count("table"));
  const Tensor values = constants.at("table/quantized"), scales = constants.at("table/scale");
  ASSERT_EQ(scales.shape(), (Shape{50}));
  const onnx_ir::Model source = table_model();
  const ::onnx::ModelProto before = onnx_ir::whole(source);
  const Tensor floats = onnx_ir::tensor_from_proto(before.graph().initializer(0), "", "table");
  for (std::int64_t r = 0; r < 50; ++r) {
    int largest = 0;
    for (std::int64_t c = 0; c < 4; ++c) {
      const int q = values.data<std::int8_t>()[r * 4 + c];
      largest = std::max(largest, std::abs(q));
      EXPECT_NEAR(q * scales.data<float>()[r], floats.data<float>()[r * 4 + c], scales.data<float>()[r] * 0.51);
    }
    EXPECT_EQ(largest, 127);
  }
  int most = 0;
  for (std::int64_t i = 0; i < 12; ++i) most = std::max(most, std::abs(int{constants.at("w/quantized").data<std::int8_t>()[i]}));
  EXPECT_EQ(most, 63);

  model = onnx_ir::whole(table_model());
  options.exclude = {"table"};
  EXPECT_EQ(store_int8_weights(model, options, "table.onnx").tables, 0);
}

TEST(QdqWriter, ConvolutionsHaveAScalePerFilterButForTheFirst) {
  onnx_ir::GraphBuilder b("conv");
  const auto filters = [&](const std::string& name, const Shape& shape) {
    Tensor t(DType::f32, shape);
    Rng rng(7);
    for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
    return b.initializer(name, t);
  };
  const auto x = b.input("x", DType::f32, {-1, 3, 8, 8}, {"batch", "", "", ""});
  const auto stem = b.node("Conv", {x, filters("stem", {4, 3, 3, 3})}, DType::f32, {-1, 4, 6, 6});
  b.output(b.node("Conv", {stem, filters("next", {5, 4, 3, 3})}, DType::f32, {-1, 5, 4, 4}), "y", {"batch", "", "", ""});
  ::onnx::ModelProto model = onnx_ir::whole(b.model());
  const auto found = find_quantizable(model, {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].weights, "next");
  EXPECT_TRUE(find_quantizable(model, {"next"}).empty());
  EXPECT_EQ(insert_qdq(model, {{found[0].activation, {0.1f, 128}}}, {}, 8, "conv.onnx"), 1);
  EXPECT_TRUE(onnx_ir::check_model(model, "conv.onnx"));
  std::map<std::string, Shape> shapes;
  for (const auto& tensor : model.graph().initializer()) shapes[tensor.name()] = {tensor.dims().begin(), tensor.dims().end()};
  EXPECT_EQ(shapes["next/scale"], (Shape{5}));
  EXPECT_EQ(shapes.count("stem"), 1u);
  EXPECT_EQ(shapes.count("next"), 0u);
}

TEST(QdqWriter, LeavesExcludedAndUncalibratedProductsAlone) {
  ::onnx::ModelProto model = small_model();
  const auto before = find_quantizable(model, {});
  EXPECT_EQ(find_quantizable(model, {"head"}).size(), 3u);
  EXPECT_EQ(find_quantizable(model, {""}).size(), 4u);
  EXPECT_EQ(insert_qdq(model, {{"x", {0.1f, 128}}}, {"k.weight"}, 8, "small.onnx"), 1);
  onnx_ir::check_model(model, "small.onnx");
  bool shared_kept = false;
  for (const auto& tensor : model.graph().initializer()) shared_kept |= tensor.name() == "shared";
  EXPECT_TRUE(shared_kept) << "another product still reads it as float32";
}

TEST(QdqWriter, RefusesOldOpsets) {
  ::onnx::ModelProto model = small_model();
  model.mutable_opset_import(0)->set_version(12);
  EXPECT_NE(test::invalid_input_of([&] {
              insert_qdq(model, {{"x", {0.1f, 128}}}, {}, 8, "old.onnx");
            }).find("opset 12"),
            std::string::npos);
}

TEST(CalibrationFile, RoundTripsAndRefusesDamage) {
  const test::TempDir dir;
  Calibration c;
  c.options.data = "/data";
  c.options.exclude = {"visual_projection"};
  c.weight_bits = 7;
  c.image["a"] = {{0.25f, 3}, -0.75, 63};
  c.text["b/c"] = {{1e-3f, 255}, -0.255, 0};
  write_json(dir / "calibration.json", c.to_json());
  const Calibration read = Calibration::read(dir / "calibration.json");
  EXPECT_EQ(read.to_json().dump(), c.to_json().dump());
  EXPECT_EQ(read.text.at("b/c").scale.scale, 1e-3f);

  const auto message = [&](auto change) {
    Json json = c.to_json();
    change(json);
    write_json(dir / "bad.json", json);
    return test::invalid_input_of([&] { Calibration::read(dir / "bad.json"); });
  };
  EXPECT_NE(message([](Json& j) { j["format"] = 9; }).find("format 9"), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["tensors"]["image"]["a"]["scale"] = 0; }).find("image.a.scale"),
            std::string::npos);
  EXPECT_NE(message([](Json& j) { j["tensors"]["image"]["a"]["zero_point"] = 256; }).find("zero_point"),
            std::string::npos);
  EXPECT_NE(message([](Json& j) { j["tensors"].erase("text"); }).find("text"), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["exclude"] = Json::array({1}); }).find("exclude"), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["tensors"]["image"]["a"]["scale"] = nullptr; }).find("a number, not null"), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["tensors"]["image"]["a"]["min"] = 64; }).find("image.a: min 64 is above max 63"),
            std::string::npos);
  EXPECT_NE(message([](Json& j) { j["method"] = "entropi"; }).find("did you mean \"entropy\""), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["samples"] = 0; }).find("samples"), std::string::npos);
  EXPECT_NE(message([](Json& j) { j["percentile"] = 10; }).find("percentile"), std::string::npos);
}

TEST(QuantizeOptions, AreCheckedBeforeAnyWork) {
  QuantizeOptions options;
  options.bundle = "/nowhere";
  const auto message = [&] { return test::invalid_input_of([&] { quantize_bundle(options); }); };
  options.method = "dynamic";
  options.samples = 20;
  EXPECT_NE(message().find("--samples: calibrates, and --method dynamic does without"), std::string::npos);
  options.samples = QuantizeOptions().samples;
  options.method = "statc";
  EXPECT_NE(message().find("did you mean"), std::string::npos);
  options.method = "static";
  EXPECT_NE(message().find("--data"), std::string::npos);
  options.data = "/nowhere";
  options.range = "entropi";
  EXPECT_NE(message().find("--range entropi: unknown"), std::string::npos);
  options.range = "entropy";
  options.calibrator = "mse";
  EXPECT_NE(message().find("--range entropy: is the older name of --calibrator"), std::string::npos);
  options.calibrator = "percentile";
  options.weight_bits = 4;
  EXPECT_NE(message().find("7 or 8"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip::builder
