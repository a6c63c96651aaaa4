#include "base/median.h"

#include <gtest/gtest.h>

#include <limits>

namespace edgeclip {
namespace {

TEST(Median, IsTheValueInTheMiddle) {
  EXPECT_EQ(median({4}), 4);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({7, 7, 1, 7, 2}), 7);
}

TEST(Median, OfAnEvenNumberIsTheMeanOfTwo) {
  EXPECT_EQ(median({3, 1}), 2);
  EXPECT_EQ(median({8, 1, 2, 100}), 5);
  EXPECT_EQ(median({6, 5, 4, 3, 2, 1}), 3.5);
}

TEST(Median, IsNoNumberWhereOneIsNone) {
  EXPECT_TRUE(std::isnan(median({1, std::numeric_limits<double>::quiet_NaN(), 3})));
  EXPECT_EQ(median({1, std::numeric_limits<double>::infinity(), 3}), 3);
}

}  // namespace
}  // namespace edgeclip
