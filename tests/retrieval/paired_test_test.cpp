#include "retrieval/evaluate/paired_test.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/threads.h"
#include "retrieval/evaluate/comparison.h"
#include "retrieval/statistics_support.h"

namespace edgeclip {
namespace {

using test::golden_queries;

TEST(PairedTest, OfFewPersonsIsExactAndThatOfSciPy) {
  const Json values = test::statistics_golden();
  const auto persons = values["exact"]["persons"].get<std::int64_t>();
  const PairedTest test = paired_test(
      cluster_differences(golden_queries(values, 0, persons), golden_queries(values, 1, persons)), {});
  EXPECT_TRUE(test.exact);
  EXPECT_EQ(test.permutations, std::int64_t{1} << persons);
  for (std::size_t m = 0; m < kMeasures; ++m)
    EXPECT_NEAR(test.p[m], values["exact"]["p"][kMeasureNames[m]].get<double>(), 1e-12);
}

TEST(PairedTest, OfManyPersonsIsThatOfSciPyWithinTheErrorOfTheDraws) {
  const Json values = test::statistics_golden();
  const PairedTestOptions options{20000, 0};
  const PairedTest test =
      paired_test(cluster_differences(golden_queries(values, 0), golden_queries(values, 1)), options);
  EXPECT_FALSE(test.exact);
  const auto resamples = values["random"]["resamples"].get<double>();
  for (std::size_t m = 0; m < kMeasures; ++m) {
    SCOPED_TRACE(kMeasureNames[m]);
    const auto expected = values["random"]["p"][kMeasureNames[m]].get<double>();
    const double error = std::sqrt(expected * (1 - expected) *
                                   (1 / resamples + 1 / static_cast<double>(options.permutations)));
    EXPECT_NEAR(test.p[m], expected, 5 * error + 1 / static_cast<double>(options.permutations));
  }
}

TEST(PairedTest, DrawsAgreeWithAllAssignments) {
  const Json values = test::statistics_golden();
  const ClusterSums differences =
      cluster_differences(golden_queries(values, 0, 11), golden_queries(values, 1, 11));
  const PairedTest all = paired_test(differences, {2048, 0}), some = paired_test(differences, {2047, 0});
  EXPECT_TRUE(all.exact);
  EXPECT_FALSE(some.exact);
  for (std::size_t m = 0; m < kMeasures; ++m)
    EXPECT_NEAR(some.p[m], all.p[m], 5 * std::sqrt(all.p[m] * (1 - all.p[m]) / 2047) + 1 / 2047.0);
}

TEST(PairedTest, DependsOnTheSeedAndNotOnThreads) {
  const Json values = test::statistics_golden();
  const ClusterSums differences = cluster_differences(golden_queries(values, 0), golden_queries(values, 1));
  const int threads = thread_count();
  set_thread_count(1);
  const Measures one = paired_test(differences, {3000, 5}).p;
  set_thread_count(7);
  const Measures seven = paired_test(differences, {3000, 5}).p;
  set_thread_count(threads);
  EXPECT_EQ(one, seven);
  EXPECT_NE(one, paired_test(differences, {3000, 6}).p);
}

TEST(PairedTest, OfEqualModelsOrOfNobodyFindsNothing) {
  const auto queries = golden_queries(test::statistics_golden(), 0);
  for (const double p : paired_test(cluster_differences(queries, queries), {}).p) EXPECT_EQ(p, 1);
  for (const double p : paired_test(ClusterSums(), {}).p) EXPECT_EQ(p, 1);
}

TEST(PairedTest, IsNeverZeroByDrawing) {
  std::vector<QueryOutcome> better(100), worse(100);
  for (std::size_t q = 0; q < better.size(); ++q) {
    better[q].id = worse[q].id = static_cast<std::int64_t>(q);
    better[q].metrics.ap = 1;
  }
  EXPECT_EQ(paired_test(cluster_differences(better, worse), {999, 0}).p[3], 1 / 1000.0);
}

TEST(Comparison, HasDifferenceIntervalAndPOfEachMeasure) {
  const Json values = test::statistics_golden();
  const QueryOutcomes a{golden_queries(values, 0), {}}, b{golden_queries(values, 1), {}};
  const Json json = to_json(compare_outcomes(a, "a", b, "b", {}, {}));
  EXPECT_EQ(json["identities"], 40);
  EXPECT_EQ(json["permutations"], 10000);
  EXPECT_EQ(json["exact"], false);
  const Json& map = json["text_to_image"]["mAP"];
  EXPECT_NEAR(map["difference"].get<double>(), values["difference"]["mAP"].get<double>(), 1e-9);
  EXPECT_NEAR(map["against"].get<double>(),
              values["means"]["mAP"].get<double>() - values["difference"]["mAP"].get<double>(), 1e-9);
  EXPECT_LT(map["interval"][0].get<double>(), map["difference"].get<double>());
  EXPECT_GT(map["interval"][1].get<double>(), map["difference"].get<double>());
  EXPECT_LT(map["p"].get<double>(), 0.01);
  EXPECT_TRUE(json["image_to_text"]["R@1"]["interval"].is_null()) << "there are no such queries";
}

}  // namespace
}  // namespace edgeclip
