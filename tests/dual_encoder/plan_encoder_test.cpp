// A plan built of a small bundle: what build_plan writes and PlanEncoder runs.
#include "dual_encoder/plan_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <thread>

#include "base/file.h"
#include "builder/build_plan.h"
#include "builder/import/onnx_import.h"
#include "builder/small_bundle.h"

#include "engine/ops/interpreter.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;
namespace test = engine::test;
using test::TempDir;

class PlanOfBundle : public testing::Test {
 protected:
  void SetUp() override {
    test::write_small_bundle(dir_ / "bundle");
    options_.bundle = (dir_ / "bundle").string();
    options_.out = (dir_ / "plan").string();
    options_.batches = {4, 1, 4};
    options_.memory_pool_mb = 8;
  }
  std::string message() {
    return test::invalid_input_of([&] { builder::build_plan(options_); });
  }

  TempDir dir_;
  builder::BuildOptions options_;
};

TEST_F(PlanOfBundle, RunsWhatTheOnnxFilesSay) {
  const Json report = builder::build_plan(options_);
  EXPECT_EQ(report["batches"], Json({1, 4}));
  EXPECT_GT(report["image"]["arena_bytes"]["4"].get<int>(), 0);
  PlanEncoder runner(options_.out);
  EXPECT_EQ(runner.info().model_hash, report["model_hash"].get<std::string>());
  EXPECT_EQ(runner.info().precision, "fp32");
  EXPECT_EQ(runner.info().memory_pool_mb, 8);
  EXPECT_EQ(runner.card().embedding_dim, test::kSmallEmbedding);
  EXPECT_EQ(runner.info().json["provenance"][0]["command"], "test");
  const engine::Graph image = builder::import_onnx(dir_ / "bundle" / "image.onnx"),
                      text = builder::import_onnx(dir_ / "bundle" / "text.onnx");
  for (const std::int64_t batch : {1, 3, 4, 9}) {  // 9: two full profiles and one left over
    const Tensor pixels = test::random_floats({batch, 3, test::kSmallHeight, test::kSmallWidth}, 9);
    EXPECT_LE(test::max_difference(runner.encode_images(pixels.view()),
                                   engine::run_reference(image, {pixels.view()}).at(0)),
              1e-6);
    Tensor narrow(DType::i32, {batch, 5}), wide(DType::i64, {batch, 5});
    for (std::int64_t i = 0; i < narrow.elements(); ++i)
      wide.data<std::int64_t>()[i] = narrow.data<std::int32_t>()[i] = static_cast<int>(i * 7 % 20);
    const Tensor expected = engine::run_reference(text, {wide.view()}).at(0);
    EXPECT_LE(test::max_difference(runner.encode_tokens(narrow.view()), expected), 1e-6);
    EXPECT_LE(test::max_difference(runner.encode_tokens(wide.view()), expected), 1e-6);
  }
  EXPECT_EQ(
      runner.encode_images(Tensor(DType::f32, {0, 3, test::kSmallHeight, test::kSmallWidth}).view()).shape(),
      (Shape{0, test::kSmallEmbedding}));
  EXPECT_EQ(runner.encode_tokens(Tensor(DType::i32, {0, 0}).view()).shape(),
            (Shape{0, test::kSmallEmbedding}));
  EXPECT_EQ(runner.tokenizer()->vocab_size(), runner.card().vocab_size);
}

TEST_F(PlanOfBundle, HasAFastKernelForEveryLayer) {
  options_.strict = true;
  const Json report = builder::build_plan(options_);
  for (const char* tower : {"image", "text"})
    EXPECT_TRUE(report[tower]["reference_layers"].empty()) << report.dump();
}

TEST_F(PlanOfBundle, In16Bits) {
  const Json whole = builder::build_plan(options_);
  const std::string fp32 = options_.out;
  const Tensor pixels = test::random_floats({3, 3, test::kSmallHeight, test::kSmallWidth}, 9);
  const Tensor expected = PlanEncoder(fp32).encode_images(pixels.view());
  for (const char* precision : {"bf16", "fp16"}) {
    options_.out = fp32 + "-" + precision;
    options_.precision = precision;
    options_.strict = true;
    const Json report = builder::build_plan(options_);
    EXPECT_LT(report["image"]["bytes"].get<int>(), whole["image"]["bytes"].get<int>());
    PlanEncoder runner(options_.out);
    EXPECT_EQ(runner.precision(), precision);
    const Tensor embeddings = runner.encode_images(pixels.view());
    for (std::int64_t row = 0; row < 3; ++row) {
      double cosine = 0;
      for (std::int64_t k = 0; k < test::kSmallEmbedding; ++k)
        cosine += static_cast<double>(embeddings.data<float>()[row * test::kSmallEmbedding + k]) *
                  static_cast<double>(expected.data<float>()[row * test::kSmallEmbedding + k]);
      EXPECT_GE(cosine, 0.9995) << precision;
    }
  }
}

TEST_F(PlanOfBundle, ConcurrentCalls) {
  builder::build_plan(options_);
  PlanEncoder runner(options_.out);
  const Tensor pixels = test::random_floats({6, 3, test::kSmallHeight, test::kSmallWidth}, 9);
  const Tensor expected = runner.encode_images(pixels.view());
  std::vector<double> worst(4, NAN);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < worst.size(); ++t)
    threads.emplace_back([&, t] {
      worst[t] = 0;
      for (int i = 0; i < 50; ++i)
        worst[t] = std::max(worst[t], test::max_difference(runner.encode_images(pixels.view()), expected));
    });
  for (auto& thread : threads) thread.join();
  for (const double w : worst) EXPECT_LE(w, 1e-6);
}

TEST_F(PlanOfBundle, OnePoolBoundsAllContexts) {
  options_.batches = {20000};
  options_.memory_pool_mb = 256;
  builder::build_plan(options_);
  const Tensor many(DType::i32, {20000, test::kSmallContext}), one(DType::i32, {1, test::kSmallContext});
  PlanEncoder free(options_.out), bounded(options_.out, {1, 1});
  EXPECT_EQ(free.encode_tokens(many.view()).dim(0), 20000);
  EXPECT_NE(test::invalid_input_of([&] { bounded.encode_tokens(many.view()); }).find("the memory pool's 1 MiB"),
            std::string::npos);
  EXPECT_EQ(bounded.encode_tokens(one.view()).dim(0), 1) << "what fits goes on";
  EXPECT_NE(test::invalid_input_of([&] { PlanEncoder(options_.out, {1, -1}); }).find("--memory-pool-mb: -1"),
            std::string::npos);
}

/// Whether this process has mapped the file.
bool is_mapped(const fs::path& file) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(file.string()) != std::string::npos) return true;
  return false;
}

TEST_F(PlanOfBundle, OpensTheTowerThatIsUsedAlone) {
  builder::build_plan(options_);
  const fs::path plan = options_.out;
  PlanEncoder runner(plan);
  EXPECT_FALSE(is_mapped(plan / "image.plan"));
  const Tensor pixels = test::random_floats({1, 3, test::kSmallHeight, test::kSmallWidth}, 9);
  runner.encode_images(pixels.view());
  EXPECT_TRUE(is_mapped(plan / "image.plan"));
  EXPECT_FALSE(is_mapped(plan / "text.plan"));
  // Damage to what is not used is not looked for.
  std::string text = read_file(plan / "text.plan");
  text[text.size() - 1] ^= 1;
  test::write_text(plan / "text.plan", text);
  EXPECT_EQ(PlanEncoder(plan).encode_images(pixels.view()).shape(), (Shape{1, test::kSmallEmbedding}));
  const Tensor tokens(DType::i32, {1, 3});
  EXPECT_NE(test::invalid_input_of([&] { runner.encode_tokens(tokens.view()); }).find("text.plan"),
            std::string::npos);
}

TEST_F(PlanOfBundle, RefusesWrongShapes) {
  builder::build_plan(options_);
  PlanEncoder runner(options_.out);
  const Tensor pixels(DType::f32, {1, 3, 4, 8}), tokens(DType::i32, {1, test::kSmallContext + 1}),
      none(DType::i32, {1, 0});
  EXPECT_EQ(test::invalid_input_of([&] { runner.encode_images(pixels.view()); }),
            "pixels: expected (B, 3, 8, 4) float32, given (1, 3, 4, 8) float32");
  EXPECT_EQ(test::invalid_input_of([&] { runner.encode_tokens(tokens.view()); }),
            "tokens: expected (B, T) int32 or int64 with 1 to 12 tokens, given (1, 13) int32");
  EXPECT_NE(test::invalid_input_of([&] { runner.encode_tokens(none.view()); }), "");
}

TEST_F(PlanOfBundle, SaysWhyItCannotBeBuilt) {
  options_.precision = "int9";
  EXPECT_NE(message().find("did you mean \"int8\""), std::string::npos);
  options_.precision = "mixed";
  EXPECT_NE(message().find("--calibration"), std::string::npos);
  options_.precision = "fp32";
  options_.batches = {0};
  EXPECT_EQ(message(), "--batches: 0 is not between 1 and 65536");
  options_.batches = {1, 40000};
  const std::string pool = message();
  EXPECT_NE(pool.find("input_ids (40000, 12)"), std::string::npos) << pool;
  EXPECT_NE(pool.find("--memory-pool-mb"), std::string::npos) << pool;
  EXPECT_FALSE(fs::exists(options_.out));
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir_.path())) left.insert(entry.path().filename().string());
  EXPECT_EQ(left, std::set<std::string>{"bundle"});  // nothing half-made stays behind
}

TEST_F(PlanOfBundle, AnInt8BundleIsNoFp32Plan) {
  test::write_small_bundle(dir_ / "int8", "int8");
  options_.bundle = (dir_ / "int8").string();
  EXPECT_NE(message().find("--precision int8"), std::string::npos);
  options_.precision = "int8";
  builder::build_plan(options_);
  EXPECT_EQ(engine::open_plan_info(options_.out).precision, "int8");
}

TEST_F(PlanOfBundle, DamagedFoldersAreRefused) {
  builder::build_plan(options_);
  const fs::path plan = options_.out;
  const std::string json = read_file(plan / "plan.json"), image = read_file(plan / "image.plan");
  const Tensor pixels = test::random_floats({1, 3, test::kSmallHeight, test::kSmallWidth}, 9);
  const auto open = [&] {
    return test::invalid_input_of([&] { PlanEncoder(plan).encode_images(pixels.view()); });
  };
  test::write_text(plan / "image.plan", "");
  EXPECT_NE(open().find("image.plan"), std::string::npos);
  std::string damaged = image;
  damaged[damaged.size() / 2] ^= 1;
  test::write_text(plan / "image.plan", damaged);
  EXPECT_NE(open().find("image.plan"), std::string::npos);
  test::write_text(plan / "image.plan", image);
  Json changed = Json::parse(json);
  changed["format"] = 4;
  test::write_text(plan / "plan.json", changed.dump());
  EXPECT_EQ(open(),
            (plan / "plan.json").string() + ": format 4 is newer than this build (3); update edgeclip");
  changed["format"] = 2;
  test::write_text(plan / "plan.json", changed.dump());
  EXPECT_NE(open().find("format 2 is older than this build (3); build it again: edgeclip-edge build"),
            std::string::npos)
      << open();
  for (const char* key :
       {"format", "precision", "batches", "memory_pool_mb", "card", "model_hash", "files", "graphs"}) {
    changed = Json::parse(json);
    changed.erase(key);
    test::write_text(plan / "plan.json", changed.dump());
    EXPECT_NE(open().find(key), std::string::npos) << key;
    changed[key] = nullptr;
    test::write_text(plan / "plan.json", changed.dump());
    EXPECT_NE(open().find(key), std::string::npos) << key;
  }
  test::write_text(plan / "plan.json", "");
  EXPECT_NE(open(), "");
  EXPECT_NE(test::invalid_input_of([&] { engine::open_plan_info(dir_ / "nowhere"); }), "");
}

}  // namespace
}  // namespace edgeclip
