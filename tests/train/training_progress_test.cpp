#include "train/training_progress.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace edgeclip {
namespace {

TEST(TrainingProgress, SaysLossRecallAndRate) {
  TrainingProgress progress(10);
  EXPECT_EQ(progress.note(4.15888), "loss 4.159");
  progress.step(4, 64, 2);
  EXPECT_EQ(progress.note(4), "loss 4.000, 32 images/s");
  progress.validated(12.54);
  EXPECT_EQ(progress.note(4), "loss 4.000, R@1 12.5 %, 32 images/s");
  for (int i = 0; i < 100; ++i) progress.step(4, 64, 32);  // it became slower
  EXPECT_EQ(progress.note(1), "loss 1.000, R@1 12.5 %, 2.0 images/s");
}

}  // namespace
}  // namespace edgeclip
