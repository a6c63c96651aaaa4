#include "retrieval/evaluate/bench.h"

#include <gtest/gtest.h>

#include "base/signals.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

BenchModel model_of(test::FakeEncoder& encoder, const std::string& name = "", std::int64_t bytes = 1) {
  return {name, "fp32", bytes, [&encoder] { return std::shared_ptr<Encoder>(std::shared_ptr<void>(), &encoder); }};
}

/// Of one model.
BenchReport benchmark(test::FakeEncoder& encoder, const GallerySnapshot* gallery, const std::vector<fs::path>& paths,
                      const std::vector<std::string>& texts, const BenchOptions& options, std::int64_t bytes = 1) {
  return run_benchmarks({model_of(encoder, "", bytes)}, gallery, paths, texts, options).at(0);
}

TEST(Bench, CountsQueriesBatchesAndTimes) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 5);
  test::FakeEncoder encoder;
  BenchOptions options;
  options.queries = 23;
  options.batch = 4;
  options.warmup = 2;
  const BenchReport report = benchmark(encoder, nullptr, paths, {}, options, 3 << 20);
  EXPECT_EQ(report.total_queries, 24) << "whole batches";
  EXPECT_EQ(report.latency_ms.count(), 24);
  EXPECT_EQ(encoder.batches.back(), 4);
  EXPECT_EQ(encoder.image_calls, 1 + 1 + 2 + 6) << "own gallery, cold start, warm-up, timed";
  EXPECT_GT(report.total_inference_time_s, 0);
  EXPECT_GT(report.total_time_s, report.total_inference_time_s);
  const Json json = to_json(report);
  EXPECT_NEAR(json["avg_qps"].get<double>(), 24 / report.total_time_s, 1e-6);
  EXPECT_NEAR(json["avg_inference_time_s"].get<double>(), report.total_inference_time_s / 24, 1e-12);
  EXPECT_EQ(json["model_mb"], 3.0);
}

TEST(Bench, TextsAreQueriesToo) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 5);
  test::FakeEncoder encoder;
  BenchOptions options;
  options.queries = 7;
  options.batch = 2;
  options.warmup = 1;
  const Json json = to_json(benchmark(encoder, nullptr, paths, {"red", "green blue", "grey"}, options));
  EXPECT_EQ(encoder.texts_encoded, 2 + 2 + 8) << "cold start, warm-up, timed";
  EXPECT_EQ(json["total_queries"], 8) << "of images, as before";
  EXPECT_EQ(json["text"]["total_queries"], 8);
  EXPECT_GT(json["text"]["latency_ms"]["median"].get<double>(), 0);
  EXPECT_GT(json["text"]["avg_qps"].get<double>(), 0);
}

TEST(Bench, ReportHasTheKeysOfTheContract) {
  const Json json = to_json(BenchReport{});
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{
                      "precision", "batch", "total_queries", "total_time_s", "total_inference_time_s",
                      "avg_inference_time_s", "avg_qps", "latency_ms", "cpu_percent", "memory_percent",
                      "rss_mb", "anonymous_mb", "mapped_mb", "gpu_percent", "power_w", "model_mb", "cold_start_ms"}));
  EXPECT_TRUE(json["gpu_percent"].is_null());
  EXPECT_TRUE(json["latency_ms"].contains("p99"));
}

TEST(Bench, RefusesAForeignGalleryAndTooLargeABatch) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  GalleryManifest manifest = manifest_for(encoder);
  manifest.embedding_space = "other";
  const GallerySnapshot foreign = gallery_in_memory(manifest, {}, Tensor(DType::f32, {0, 6}));
  EXPECT_NE(
      test::invalid_input_of([&] { benchmark(encoder, &foreign, paths, {}, {}); }).find("other"),
      std::string::npos);
  BenchOptions options;
  options.batch = 65;
  EXPECT_NE(
      test::invalid_input_of([&] { benchmark(encoder, nullptr, paths, {}, options); }).find("65"),
      std::string::npos);
  EXPECT_NE(
      test::invalid_input_of([&] { benchmark(encoder, nullptr, {}, {}, {}); }).find("no images"),
      std::string::npos);
}

TEST(Bench, ASignalEndsItWithWhatWasMeasured) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 11;  // own gallery, a cold start, three to warm up, five that count, and one that a signal ends
  const BenchReport report = benchmark(encoder, nullptr, paths, {"red"}, {});
  set_interrupted(false);
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(report.total_queries, 5);
  EXPECT_FALSE(report.text.has_value());
  EXPECT_EQ(to_json(report)["interrupted"], true);
}

TEST(Bench, SeveralModelsTakeTurnsAndAreAskedTheSame) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 5);
  test::FakeEncoder one, other;
  other.hash = "another plan of the same model";
  one.card_.embedding_space = other.card_.embedding_space = "space";
  std::string turns;
  const auto noted = [&](test::FakeEncoder& encoder, char letter) {
    BenchModel model = model_of(encoder, std::string(1, letter));
    model.open = [&turns, &encoder, letter] {
      turns += letter;
      return std::shared_ptr<Encoder>(std::shared_ptr<void>(), &encoder);
    };
    return model;
  };
  BenchOptions options;
  options.queries = 10;
  options.batch = 2;
  options.warmup = 1;
  options.blocks = 3;
  const auto reports = run_benchmarks({noted(one, 'a'), noted(other, 'b')}, nullptr, paths, {"red", "grey"}, options);
  EXPECT_EQ(turns, "abababab") << "looked at once beforehand, then by turns";
  ASSERT_EQ(reports.size(), 2u);
  for (const BenchReport& report : reports) {
    EXPECT_EQ(report.total_queries, 10);
    EXPECT_EQ(report.text->total_queries, 10);
    EXPECT_EQ(report.cold_start.image_ms.count(), 3);
    EXPECT_EQ(report.cold_start.text_ms.count(), 3);
    EXPECT_GE(report.cold_start.image_ms.least(), report.cold_start.open_ms.least());
    EXPECT_GT(report.usage.seconds, 0);
  }
  EXPECT_EQ(reports[0].name, "a");
  EXPECT_EQ(one.image_calls, 1 + 3 * (1 + 1) + 5) << "own gallery of the space, cold start and warm-up of each block, timed";
  EXPECT_EQ(other.image_calls, 3 * (1 + 1) + 5) << "searches the same gallery";
}

TEST(Bench, ModelsOfTwoSpacesHaveAGalleryEach) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder one, other;
  one.card_.embedding_space = "one";
  other.card_.embedding_space = "other";
  BenchOptions options;
  options.queries = 1;
  options.warmup = 0;
  const auto reports = run_benchmarks({model_of(one), model_of(other)}, nullptr, paths, {}, options);
  EXPECT_EQ(reports.size(), 2u);
  EXPECT_EQ(one.image_calls, 1 + 1 + 1);
  EXPECT_EQ(other.image_calls, 1 + 1 + 1);
}

TEST(Bench, ASignalLeavesTheModelsThatWereReached) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder one, other;
  one.card_.embedding_space = other.card_.embedding_space = "space";
  other.interrupt_at_call = 2;  // a cold start, and the first to warm up
  BenchOptions options;
  options.queries = 8;
  options.blocks = 2;
  const auto reports = run_benchmarks({model_of(one), model_of(other)}, nullptr, paths, {}, options);
  set_interrupted(false);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].total_queries, 4) << "one of two blocks";
  EXPECT_TRUE(reports[0].interrupted);
}

TEST(Bench, ASignalBeforeTheFirstQueryIsAllThereIs) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 4;
  EXPECT_THROW(benchmark(encoder, nullptr, paths, {}, {}), Interrupted);
  set_interrupted(false);
}

}  // namespace
}  // namespace edgeclip
