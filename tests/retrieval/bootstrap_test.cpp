#include "retrieval/evaluate/bootstrap.h"

#include <gtest/gtest.h>

#include "base/threads.h"
#include "retrieval/statistics_support.h"

namespace edgeclip {
namespace {

using test::golden_queries;

/// Ends of SciPy's intervals, which are themselves draws: within five deviations of their mean.
void expect_scipys(const Json& expected, const ClusterSums& sums, std::int64_t resamples) {
  const auto intervals = bootstrap_intervals(sums, {resamples, 0, 0.95});
  ASSERT_TRUE(intervals);
  for (std::size_t m = 0; m < kMeasures; ++m) {
    SCOPED_TRACE(kMeasureNames[m]);
    const Json& ends = expected.at(kMeasureNames[m]);
    EXPECT_NEAR((*intervals)[m].low, ends["mean"][0].get<double>(), 5 * ends["deviation"][0].get<double>());
    EXPECT_NEAR((*intervals)[m].high, ends["mean"][1].get<double>(), 5 * ends["deviation"][1].get<double>());
  }
}

TEST(Bootstrap, MeansAreThoseOfNumPy) {
  const Json values = test::statistics_golden();
  const auto a = golden_queries(values, 0), b = golden_queries(values, 1);
  const Measures mean = cluster_sums(a).means(), difference = cluster_differences(a, b).means();
  for (std::size_t m = 0; m < kMeasures; ++m) {
    EXPECT_NEAR(mean[m], values["means"][kMeasureNames[m]].get<double>(), 1e-9);
    EXPECT_NEAR(difference[m], values["difference"][kMeasureNames[m]].get<double>(), 1e-9);
  }
}

TEST(Bootstrap, IntervalsAreThoseOfSciPyWithinItsOwnSpread) {
  const Json values = test::statistics_golden();
  const auto a = golden_queries(values, 0), b = golden_queries(values, 1);
  const auto resamples = values["resamples"].get<std::int64_t>();
  expect_scipys(values["intervals"], cluster_sums(a), resamples);
  expect_scipys(values["difference_intervals"], cluster_differences(a, b), resamples);
}

TEST(Bootstrap, IntervalsOfTheSameDrawsAreThoseOfNumPy) {
  const Json values = test::statistics_golden();
  const Json& same = values["same_draws"];
  const auto intervals =
      bootstrap_intervals(cluster_sums(golden_queries(values, 0)),
                          {values["resamples"].get<std::int64_t>(), same["seed"].get<std::uint64_t>(), 0.95});
  ASSERT_TRUE(intervals);
  for (std::size_t m = 0; m < kMeasures; ++m) {
    EXPECT_NEAR((*intervals)[m].low, same["intervals"][kMeasureNames[m]][0].get<double>(), 1e-9);
    EXPECT_NEAR((*intervals)[m].high, same["intervals"][kMeasureNames[m]][1].get<double>(), 1e-9);
  }
}

TEST(Bootstrap, PercentilesAreThoseOfNumPy) {
  const Json values = test::statistics_golden();
  const Json& of = values["percentiles"];
  const Interval interval =
      percentile_interval(of["values"].get<std::vector<double>>(), of["level"].get<double>());
  EXPECT_NEAR(interval.low, of["interval"][0].get<double>(), 1e-12);
  EXPECT_NEAR(interval.high, of["interval"][1].get<double>(), 1e-12);
  EXPECT_EQ(percentile_interval({4}, 0.95).low, 4);
}

TEST(Bootstrap, DependsOnTheSeedAndNotOnThreads) {
  const ClusterSums sums = cluster_sums(golden_queries(test::statistics_golden(), 0));
  const int threads = thread_count();
  std::vector<std::string> found;
  for (const int n : {1, 2, 7}) {
    set_thread_count(n);
    found.push_back(to_json(bootstrap_intervals(sums, {500, 9, 0.95})).dump());
  }
  set_thread_count(threads);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  EXPECT_NE(found[0], to_json(bootstrap_intervals(sums, {500, 10, 0.95})).dump());
}

TEST(Bootstrap, TakesPersonsWholeAndNotTheirQueriesOneByOne) {
  // Two persons of many queries, one always right, one never: a resample has 0, half or all of them right.
  std::vector<QueryOutcome> outcomes(200);
  for (std::size_t q = 0; q < outcomes.size(); ++q) {
    outcomes[q].id = q < 100 ? 1 : 2;
    outcomes[q].metrics = {q < 100 ? 1.0 : 0.0, 0, 0};
  }
  const auto intervals = bootstrap_intervals(cluster_sums(outcomes), {});
  ASSERT_TRUE(intervals);
  EXPECT_EQ((*intervals)[0].low, 0);
  EXPECT_EQ((*intervals)[0].high, 100);
}

TEST(Bootstrap, HasNoIntervalOfOnePersonOrWithoutResamples) {
  std::vector<QueryOutcome> outcomes(3);
  EXPECT_FALSE(bootstrap_intervals(cluster_sums(outcomes), {}));
  EXPECT_FALSE(bootstrap_intervals(cluster_sums({}), {}));
  outcomes[2].id = 1;
  EXPECT_FALSE(bootstrap_intervals(cluster_sums(outcomes), {0, 0, 0.95}));
  EXPECT_TRUE(bootstrap_intervals(cluster_sums(outcomes), {}));
  EXPECT_TRUE(to_json(std::optional<MeasureIntervals>())["mAP"].is_null());
}

}  // namespace
}  // namespace edgeclip
