#include "train/stall_watch.h"

#include <gtest/gtest.h>

#include <cmath>

namespace edgeclip {
namespace {

TEST(StallWatch, WarnsOnceOfALossThatStaysAtLnBatch) {
  StallWatch watch(10, 1000);
  int warnings = 0;
  std::int64_t at = 0;
  for (std::int64_t step = 1; step <= 1000; ++step)
    if (const std::string warning = watch.see(step, std::log(64) + (step % 2 == 0 ? 0.1 : -0.1), 64);
        !warning.empty()) {
      ++warnings;
      at = step;
      for (const char* part : {"ln(batch) = 4.159", "captions", "optimizer.lr"})
        EXPECT_NE(warning.find(part), std::string::npos) << warning;
    }
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(at, 60);
}

TEST(StallWatch, IsSilentDuringWarmupAndWhileSomethingIsLearned) {
  StallWatch watch(100, 1000);
  for (std::int64_t step = 1; step <= 100; ++step) EXPECT_EQ(watch.see(step, std::log(64), 64), "");
  for (std::int64_t step = 101; step <= 1000; ++step) EXPECT_EQ(watch.see(step, 0.9 * std::log(64), 64), "");
}

TEST(StallWatch, ALateCollapseIsSeen) {
  StallWatch watch(0, 200);
  for (std::int64_t step = 1; step <= 100; ++step) EXPECT_EQ(watch.see(step, 1.0, 16), "");
  std::string warning;
  for (std::int64_t step = 101; step <= 200; ++step) warning += watch.see(step, std::log(16), 16);
  EXPECT_NE(warning.find("step 150"), std::string::npos) << warning;
}

TEST(StallWatch, ShortRunsHaveAShortWindow) {
  StallWatch watch(2, 22);
  std::string warning;
  for (std::int64_t step = 1; step <= 22; ++step) warning += watch.see(step, std::log(8), 8);
  EXPECT_NE(warning.find("over the last 20 steps"), std::string::npos) << warning;
  StallWatch tiny(1, 6);
  for (std::int64_t step = 1; step <= 6; ++step) EXPECT_EQ(tiny.see(step, std::log(8), 8), "");
}

}  // namespace
}  // namespace edgeclip
