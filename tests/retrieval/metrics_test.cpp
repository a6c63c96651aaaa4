#include "retrieval/evaluate/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/json.h"
#include "base/npy.h"
#include "base/rng.h"
#include "support/support.h"

namespace edgeclip {
namespace {

std::vector<std::int64_t> read_ids(const std::filesystem::path& path) {
  const Tensor t = read_npy(path);
  return {t.data<std::int64_t>(), t.data<std::int64_t>() + t.elements()};
}

TEST(Metrics, OfAHandMadeRanking) {
  // Query of id 1: hits at ranks 1 and 3, so AP = (1 + 2/3) / 2 and INP = 2/3.  Query of id 9: nothing
  // relevant.
  const Tensor scores = Tensor::from<float>({2, 4}, {0.9f, 0.8f, 0.7f, 0.1f, 1, 2, 3, 4});
  const RetrievalMetrics m = retrieval_metrics(scores.view(), {1, 9}, {1, 2, 1, 3});
  EXPECT_DOUBLE_EQ(m.r1, 50);
  EXPECT_DOUBLE_EQ(m.r10, 50);
  EXPECT_DOUBLE_EQ(m.map, 50 * (1 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(m.minp, 50 * 2.0 / 3);
}

TEST(Metrics, EqualScoresKeepGalleryOrderAndNaNIsLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float equal[] = {1, 1, 1};
  EXPECT_EQ(query_metrics(equal, 7, {5, 7, 7}).first_rank, 2);
  const float with_nan[] = {nan, -5, nan};
  EXPECT_EQ(query_metrics(with_nan, 7, {7, 5, 5}).first_rank, 2);
}

TEST(Metrics, OfNothingAreZero) {
  EXPECT_EQ(retrieval_metrics(Tensor(DType::f32, {0, 3}).view(), {}, {1, 2, 3}).map, 0);
  EXPECT_EQ(retrieval_metrics(Tensor(DType::f32, {2, 0}).view(), {1, 2}, {}).r10, 0);
  EXPECT_EQ(chance_metrics({1, 2}, {}).map, 0);
  EXPECT_EQ(chance_metrics({}, {1}).map, 0);
}

TEST(Metrics, ChanceIsTheMeanOverAllOrders) {
  const std::vector<std::int64_t> queries = {1, 2, 9}, gallery = {1, 1, 1, 2, 3, 3, 3};
  const RetrievalMetrics chance = chance_metrics(queries, gallery);
  std::vector<std::int64_t> order(gallery.size());
  std::iota(order.begin(), order.end(), 0);
  RetrievalMetrics sum;
  int count = 0;
  do {  // 5040 orders: exact
    std::vector<QueryMetrics> all;
    std::vector<float> scores(order.begin(), order.end());
    for (const std::int64_t q : queries) all.push_back(query_metrics(scores.data(), q, gallery));
    const RetrievalMetrics m = mean_metrics(all);
    sum.r1 += m.r1, sum.r5 += m.r5, sum.r10 += m.r10, sum.map += m.map, sum.minp += m.minp;
    ++count;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_NEAR(chance.r1, sum.r1 / count, 1e-9);
  EXPECT_NEAR(chance.r5, sum.r5 / count, 1e-9);
  EXPECT_NEAR(chance.r10, sum.r10 / count, 1e-9);
  EXPECT_NEAR(chance.map, sum.map / count, 1e-9);
  EXPECT_NEAR(chance.minp, sum.minp / count, 1e-9);
}

TEST(MetricsGolden, EveryRetrievalSet) {
  EDGECLIP_REQUIRE_PARITY(folder, "metrics");
  const Json expected = read_json(folder / "expected.json");
  ASSERT_GE(expected["sets"].size(), 7u);
  for (const auto& [name, values] : expected["sets"].items()) {
    SCOPED_TRACE(name);
    const Tensor similarity = read_npy(folder / (name + ".similarity.npy"));
    const auto query_ids = read_ids(folder / (name + ".query_ids.npy")),
               gallery_ids = read_ids(folder / (name + ".gallery_ids.npy"));
    const RetrievalMetrics m = retrieval_metrics(similarity.view(), query_ids, gallery_ids);
    EXPECT_NEAR(m.r1, values["R@1"].get<double>(), 1e-6);
    EXPECT_NEAR(m.r5, values["R@5"].get<double>(), 1e-6);
    EXPECT_NEAR(m.r10, values["R@10"].get<double>(), 1e-6);
    EXPECT_NEAR(m.map, values["mAP"].get<double>(), 1e-6);
    EXPECT_NEAR(m.minp, values["mINP"].get<double>(), 1e-6);
    const Tensor ap = read_npy(folder / (name + ".ap.npy")), inp = read_npy(folder / (name + ".inp.npy"));
    for (std::size_t q = 0; q < query_ids.size(); ++q) {
      const QueryMetrics one =
          query_metrics(similarity.data<float>() + q * gallery_ids.size(), query_ids[q], gallery_ids);
      EXPECT_NEAR(one.ap, ap.data<double>()[q], 1e-9);
      EXPECT_NEAR(one.inp, inp.data<double>()[q], 1e-9);
      EXPECT_EQ(one.first_rank, values["first_hit_rank"][q].get<double>());
    }
  }
}

TEST(MetricsGolden, FiveCaptionsBothDirections) {
  EDGECLIP_REQUIRE_PARITY(folder, "metrics");
  const Json expected = read_json(folder / "expected.json")["five_captions"];
  const Tensor similarity = read_npy(folder / "five_captions.similarity.npy");  // images x captions
  const auto owner = read_ids(folder / "five_captions.caption_owner.npy");
  const std::int64_t images = similarity.dim(0), captions = similarity.dim(1);
  std::vector<std::int64_t> image_ids(static_cast<std::size_t>(images));
  std::iota(image_ids.begin(), image_ids.end(), 0);
  Tensor transposed(DType::f32, {captions, images});
  for (std::int64_t i = 0; i < images; ++i)
    for (std::int64_t c = 0; c < captions; ++c)
      transposed.data<float>()[c * images + i] = similarity.data<float>()[i * captions + c];
  const RetrievalMetrics i2t = retrieval_metrics(similarity.view(), image_ids, owner);
  const RetrievalMetrics t2i = retrieval_metrics(transposed.view(), owner, image_ids);
  EXPECT_NEAR(i2t.r1, expected["I2T_R@1"].get<double>(), 1e-6);
  EXPECT_NEAR(i2t.r5, expected["I2T_R@5"].get<double>(), 1e-6);
  EXPECT_NEAR(i2t.r10, expected["I2T_R@10"].get<double>(), 1e-6);
  EXPECT_NEAR(t2i.r1, expected["T2I_R@1"].get<double>(), 1e-6);
  EXPECT_NEAR(t2i.r5, expected["T2I_R@5"].get<double>(), 1e-6);
  EXPECT_NEAR(t2i.r10, expected["T2I_R@10"].get<double>(), 1e-6);
}

/// The definition: everything in order.
QueryMetrics by_sorting(const std::vector<float>& scores, std::int64_t query, const std::vector<std::int64_t>& ids) {
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto key = [&](std::size_t j) { return std::isnan(scores[j]) ? -std::numeric_limits<float>::infinity() : scores[j]; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) > key(b); });
  QueryMetrics m;
  double hits = 0, last = 0;
  for (std::size_t at = 0; at < order.size(); ++at) {
    if (ids[order[at]] != query) continue;
    last = static_cast<double>(at + 1);
    if (hits == 0) m.first_rank = last;
    m.ap += ++hits / last;
  }
  if (hits > 0) m.ap /= hits, m.inp = hits / last;
  return m;
}

TEST(QueryMetrics, AreThoseOfAFullSort) {
  Rng rng(3);
  for (int round = 0; round < 300; ++round) {
    const auto count = static_cast<std::size_t>(rng.below(40));
    std::vector<float> scores;
    std::vector<std::int64_t> ids;
    for (std::size_t j = 0; j < count; ++j) {
      const std::int64_t kind = rng.below(10);  // with ties, NaN and infinities
      scores.push_back(kind == 0   ? std::numeric_limits<float>::quiet_NaN()
                       : kind == 1 ? -std::numeric_limits<float>::infinity()
                                   : static_cast<float>(rng.below(6)) / 4);
      ids.push_back(static_cast<std::int64_t>(rng.below(4)));
    }
    for (std::int64_t query = 0; query < 5; ++query) {
      const QueryMetrics fast = query_metrics(scores.data(), query, ids), slow = by_sorting(scores, query, ids);
      ASSERT_EQ(fast.first_rank, slow.first_rank);
      ASSERT_EQ(fast.ap, slow.ap);
      ASSERT_EQ(fast.inp, slow.inp);
    }
  }
}

TEST(BestItems, AreInTheOrderOfTheMetrics) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float scores[] = {1, nan, 3, 1, 3, -std::numeric_limits<float>::infinity()};
  EXPECT_EQ(best_items(scores, 6, 4), (std::vector<std::size_t>{2, 4, 0, 3}));
  EXPECT_EQ(best_items(scores, 6, 9), (std::vector<std::size_t>{2, 4, 0, 3, 1, 5}));
  EXPECT_TRUE(best_items(scores, 0, 3).empty());
}

}  // namespace
}  // namespace edgeclip
