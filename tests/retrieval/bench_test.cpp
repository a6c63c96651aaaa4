#include "retrieval/evaluate/bench.h"

#include <gtest/gtest.h>

#include "base/signals.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(Bench, CountsQueriesBatchesAndTimes) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 5);
  test::FakeEncoder encoder;
  BenchOptions options;
  options.queries = 23;
  options.batch = 4;
  options.warmup = 2;
  const BenchReport report = run_benchmark(encoder, nullptr, paths, {}, options, "fp32", 3 << 20);
  EXPECT_EQ(report.total_queries, 24) << "whole batches";
  EXPECT_EQ(report.latency_ms.count(), 24);
  EXPECT_EQ(encoder.batches.back(), 4);
  EXPECT_EQ(encoder.image_calls, 1 + 2 + 6) << "own gallery, warm-up, timed";
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
  const Json json = to_json(run_benchmark(encoder, nullptr, paths, {"red", "green blue", "grey"}, options, "fp32", 1));
  EXPECT_EQ(encoder.texts_encoded, 2 + 8) << "warm-up, timed";
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
                      "rss_mb", "anonymous_mb", "mapped_mb", "gpu_percent", "power_w", "model_mb"}));
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
      test::invalid_input_of([&] { run_benchmark(encoder, &foreign, paths, {}, {}, "fp32", 1); }).find("other"),
      std::string::npos);
  BenchOptions options;
  options.batch = 65;
  EXPECT_NE(
      test::invalid_input_of([&] { run_benchmark(encoder, nullptr, paths, {}, options, "fp32", 1); }).find("65"),
      std::string::npos);
  EXPECT_NE(
      test::invalid_input_of([&] { run_benchmark(encoder, nullptr, {}, {}, {}, "fp32", 1); }).find("no images"),
      std::string::npos);
}

TEST(Bench, ASignalEndsItWithWhatWasMeasured) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 10;  // own gallery, three to warm up, five that count, and one that a signal ends
  const BenchReport report = run_benchmark(encoder, nullptr, paths, {"red"}, {}, "fp32", 1);
  set_interrupted(false);
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(report.total_queries, 5);
  EXPECT_FALSE(report.text.has_value());
  EXPECT_EQ(to_json(report)["interrupted"], true);
}

TEST(Bench, ASignalBeforeTheFirstQueryIsAllThereIs) {
  test::TempDir dir;
  const auto paths = test::write_images(dir / "images", 2);
  test::FakeEncoder encoder;
  encoder.interrupt_at_call = 4;
  EXPECT_THROW(run_benchmark(encoder, nullptr, paths, {}, {}, "fp32", 1), Interrupted);
  set_interrupted(false);
}

}  // namespace
}  // namespace edgeclip
