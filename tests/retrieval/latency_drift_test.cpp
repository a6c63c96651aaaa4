#include "retrieval/evaluate/latency_drift.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

/// A query a second from 0 to `until`, whose latency grows as `ms` says.
template <class Ms>
LatencyDrift asked(double until, const Ms& ms) {
  LatencyDrift drift({{"image", 1}, {"text", 4}}, 100, 1100);
  for (int second = 0; second < until; ++second) {
    drift.add(0, second, ms(second));
    if (second % 2 == 0) drift.add(1, second, 5);
  }
  return drift;
}

TEST(LatencyDrift, ComparesTheLastTenthWithTheFirst) {
  auto drift = asked(1100, [](int second) { return second < 100 ? 1000.0 : 10 + 0.01 * (second - 100); });
  const auto results = drift.results(1100);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].batches, 1100);
  EXPECT_NEAR(results[0].first_ms.value(), 10.5, 0.01) << "warm-up is left out";
  EXPECT_NEAR(results[0].last_ms.value(), 19.5, 0.01);
  EXPECT_NEAR(results[0].ratio().value(), 19.5 / 10.5, 1e-3);
  EXPECT_EQ(results[1].batches, 550);
  EXPECT_EQ(results[1].ratio(), 1.0);
}

TEST(LatencyDrift, OfARunThatWasCutOffIsOfItsLastWholeTenth) {
  const auto step = [](int second) { return second < 500 ? 10.0 : 20.0; };
  auto drift = asked(650, step);  // in the sixth tenth; the fifth is from 500 to 600
  EXPECT_NEAR(drift.results(650)[0].ratio().value(), 2, 1e-9);
  auto early = asked(250, step);
  const auto results = early.results(250);
  EXPECT_NEAR(results[0].first_ms.value(), 10, 1e-9);
  EXPECT_FALSE(results[0].last_ms) << "no whole tenth besides the first";
  auto warming = asked(50, step);
  EXPECT_FALSE(warming.results(50)[0].first_ms);
  EXPECT_FALSE(warming.results(50)[0].ratio());
}

TEST(LatencyDrift, ATenthWithoutQueriesIsUnknown) {
  LatencyDrift drift({{"image", 1}}, 0, 100);
  drift.add(0, 1, 10);
  drift.add(0, 45, 10);
  EXPECT_FALSE(drift.results(75)[0].last_ms) << "the sixth tenth had none";
  EXPECT_FALSE(drift.results(100)[0].last_ms);
}

}  // namespace
}  // namespace edgeclip
