#include "base/line_fit.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace edgeclip {
namespace {

TEST(LineFit, FindsTheLine) {
  LineFit fit;
  EXPECT_FALSE(fit.slope());
  fit.add(3, 5);
  EXPECT_FALSE(fit.slope()) << "one point has no line";
  fit.add(3, 9);
  EXPECT_FALSE(fit.slope()) << "nor have points above each other";
  fit.add(5, 11);
  EXPECT_NEAR(fit.slope().value(), (11 - 7) / 2.0, 1e-12);
  EXPECT_EQ(fit.count(), 3);
  EXPECT_NEAR(fit.mean_y(), 25 / 3.0, 1e-12);
}

TEST(LineFit, KeepsItsDigitsFarFromZero) {
  Rng rng(1);
  LineFit fit;
  for (int i = 0; i < 10000; ++i) fit.add(1e9 + i, 1e9 + 0.25 * i + 0.01 * rng.normal());
  EXPECT_NEAR(fit.slope().value(), 0.25, 1e-6);
}

}  // namespace
}  // namespace edgeclip
