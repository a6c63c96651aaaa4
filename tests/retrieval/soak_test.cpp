#include "retrieval/evaluate/soak.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/signals.h"
#include "retrieval/evaluate/bench.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

namespace fs = std::filesystem;

class Soak : public testing::Test {
 protected:
  SoakReport soak(double seconds, bool append = false) {
    SoakOptions options;
    options.minutes = seconds / 60;
    options.append = append;
    options.clock = [this] { return now_ += 0.001; };  // so that the number of queries is the same on a busy machine
    return run_soak(encoder_, gallery_of_images(encoder_, good_), paths_, {"red", "green blue", "grey"}, options);
  }
  test::TempDir dir_;
  std::vector<fs::path> good_ = test::write_images(dir_ / "images", 3), paths_ = good_;
  test::FakeEncoder encoder_;
  double now_ = 0;
};

TEST_F(Soak, AsksBothKindsInBatchesOfAllSizes) {
  const SoakReport report = soak(0.5);
  EXPECT_GE(report.seconds, 0.5);
  EXPECT_EQ(report.errors, 0) << report.first_error;
  ASSERT_EQ(report.classes.size(), 8u) << "1, 4, 8, 64";
  for (std::size_t i = 0; i < report.classes.size(); ++i) {
    EXPECT_EQ(report.classes[i].kind, i % 2 == 0 ? "image" : "text");
    EXPECT_GT(report.latencies[i].batches, 1) << report.classes[i].batch;
  }
  EXPECT_GT(report.image_queries, 64);
  EXPECT_GT(report.text_queries, 64);
  EXPECT_GE(report.samples, SoakReport::kFewestSamples);
  EXPECT_TRUE(report.slope_mb_per_hour);
  EXPECT_GT(report.peak_mb, 0);
  const Json json = to_json(report);
  EXPECT_TRUE(json["first_error"].is_null());
  EXPECT_TRUE(json["memory_slope_mb_per_hour"].is_number());
  EXPECT_TRUE(json["latency_drift"]["image"].is_number()) << json;
  EXPECT_FALSE(json.contains("appended"));
}

TEST_F(Soak, AppendsWhileItSearches) {
  const SoakReport report = soak(0.5, true);
  EXPECT_EQ(report.errors, 0) << report.first_error;
  ASSERT_TRUE(report.appended);
  EXPECT_GE(report.appended->images, 4);
  EXPECT_GE(report.appended->generations_read, 1);
  EXPECT_EQ(to_json(report)["generations_read"], report.appended->generations_read);
}

TEST_F(Soak, CountsWhatFailsAndGoesOn) {
  test::write_text(dir_ / "broken.png", "no picture");
  paths_.push_back(dir_ / "broken.png");
  const SoakReport report = soak(0.2);
  EXPECT_GT(report.errors, 1);
  EXPECT_NE(report.first_error.find("broken.png"), std::string::npos) << report.first_error;
  EXPECT_GT(report.image_queries, 0) << "single images before the broken one";
  EXPECT_GT(report.text_queries, 0);
}

TEST_F(Soak, OurOwnFaultsEndIt) {
  encoder_.fail_at_call = 5;
  EXPECT_THROW(soak(5), InternalError);
}

TEST_F(Soak, ASignalEndsItWithWhatWasMeasured) {
  encoder_.interrupt_at_call = 12;
  const SoakReport report = soak(60);
  set_interrupted(false);
  EXPECT_TRUE(report.interrupted);
  EXPECT_GT(report.image_queries, 0);
  EXPECT_LT(report.seconds, 30);
  EXPECT_FALSE(report.slope_mb_per_hour);
  EXPECT_TRUE(to_json(report)["memory_slope_mb_per_hour"].is_null());
}

TEST(SoakBatches, AreThoseThatTheModelTakes) {
  EXPECT_EQ(soak_batches(1), std::vector<int>{1});
  EXPECT_EQ(soak_batches(4), (std::vector<int>{1, 4}));
  EXPECT_EQ(soak_batches(6), (std::vector<int>{1, 4, 6}));
  EXPECT_EQ(soak_batches(32), (std::vector<int>{1, 4, 8, 32}));
}

}  // namespace
}  // namespace edgeclip
