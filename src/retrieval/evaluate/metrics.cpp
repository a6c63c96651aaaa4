#include "retrieval/evaluate/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/threads.h"

namespace edgeclip {
namespace {

/// Expectations for n relevant items among N in random order.
struct Chance {
  double r1, r5, r10, ap, inp;
};

Chance chance_of(std::int64_t n, std::int64_t gallery) {
  if (n == 0) return {};
  const auto relevant = static_cast<double>(n), all = static_cast<double>(gallery);
  const auto recall = [&](int k) {  // 1 - C(N - n, k) / C(N, k)
    double miss = 1;
    for (int i = 0; i < k && i < gallery; ++i) miss *= std::max(0.0, all - relevant - i) / (all - i);
    return 1 - miss;
  };
  // A hit at rank k has, on average, 1 + (k - 1)(n - 1) / (N - 1) hits among the first k; ranks are equally
  // likely.
  const double others = gallery > 1 ? (relevant - 1) / (all - 1) : 0;
  double ap = 0;
  for (std::int64_t k = 1; k <= gallery; ++k)
    ap += (1 + static_cast<double>(k - 1) * others) / static_cast<double>(k);
  // The last hit is at rank k with probability C(k - 1, n - 1) / C(N, n), from k = N downwards.
  double inp = 0, probability = relevant / all;
  for (std::int64_t k = gallery; k >= n && probability > 0; --k) {
    inp += probability * relevant / static_cast<double>(k);
    if (k > 1) probability *= static_cast<double>(k - n) / static_cast<double>(k - 1);
  }
  return {recall(1), recall(5), recall(10), ap / all, inp};
}

/// The order of a ranking.
struct RanksBefore {
  const float* scores;
  float key(std::size_t j) const {
    return std::isnan(scores[j]) ? -std::numeric_limits<float>::infinity() : scores[j];
  }
  bool operator()(std::size_t a, std::size_t b) const {
    const float x = key(a), y = key(b);
    return x != y ? x > y : a < b;
  }
};

}  // namespace

QueryMetrics query_metrics(const float* scores, std::int64_t query_id,
                           const std::vector<std::int64_t>& gallery_ids) {
  const RanksBefore before{scores};
  // Only the relevant ones are put in order; of the others it is counted between which of these they stand.
  std::vector<std::size_t> relevant;
  for (std::size_t j = 0; j < gallery_ids.size(); ++j)
    if (gallery_ids[j] == query_id) relevant.push_back(j);
  QueryMetrics m;
  if (relevant.empty()) return m;
  std::sort(relevant.begin(), relevant.end(), before);
  std::vector<std::int64_t> others(relevant.size(), 0);  // that stand right before relevant[k]
  for (std::size_t j = 0; j < gallery_ids.size(); ++j) {
    if (gallery_ids[j] == query_id || before(relevant.back(), j)) continue;
    ++others[static_cast<std::size_t>(std::upper_bound(relevant.begin(), relevant.end(), j, before) -
                                      relevant.begin())];
  }
  double hits = 0, rank = 0;
  for (const std::int64_t between : others) {
    rank += static_cast<double>(between + 1);
    if (hits == 0) m.first_rank = rank;
    m.ap += ++hits / rank;
  }
  m.ap /= hits;
  m.inp = hits / rank;
  return m;
}

Measures measures_of(const QueryMetrics& query) {
  const auto within = [&](int k) { return query.first_rank > 0 && query.first_rank <= k ? 1.0 : 0.0; };
  return {within(1), within(5), within(10), query.ap, query.inp};
}

Measures measures_of(const RetrievalMetrics& metrics) {
  return {metrics.r1, metrics.r5, metrics.r10, metrics.map, metrics.minp};
}

std::vector<std::size_t> best_items(const float* scores, std::size_t n, std::size_t k) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  k = std::min(k, n);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    RanksBefore{scores});
  order.resize(k);
  return order;
}

RetrievalMetrics mean_metrics(const std::vector<QueryMetrics>& queries) {
  RetrievalMetrics mean;
  if (queries.empty()) return mean;
  Measures sums{};
  for (const QueryMetrics& query : queries) {
    const Measures measures = measures_of(query);
    for (std::size_t m = 0; m < kMeasures; ++m) sums[m] += measures[m];
  }
  for (double& sum : sums) sum *= 100.0 / static_cast<double>(queries.size());
  return {sums[0], sums[1], sums[2], sums[3], sums[4]};
}

RetrievalMetrics retrieval_metrics(const TensorView& scores, const std::vector<std::int64_t>& query_ids,
                                   const std::vector<std::int64_t>& gallery_ids) {
  EDGECLIP_CHECK(scores.shape == Shape({static_cast<std::int64_t>(query_ids.size()),
                                        static_cast<std::int64_t>(gallery_ids.size())}),
                 "scores {} for {} queries and {} items", shape_string(scores.shape), query_ids.size(),
                 gallery_ids.size());
  const float* rows = scores.as<float>();
  std::vector<QueryMetrics> queries(query_ids.size());
  parallel_for(static_cast<std::int64_t>(query_ids.size()), [&](std::int64_t q) {
    const auto at = static_cast<std::size_t>(q);
    queries[at] = query_metrics(rows + at * gallery_ids.size(), query_ids[at], gallery_ids);
  });
  return mean_metrics(queries);
}

RetrievalMetrics chance_metrics(const std::vector<std::int64_t>& query_ids,
                                const std::vector<std::int64_t>& gallery_ids) {
  RetrievalMetrics mean;
  if (query_ids.empty()) return mean;
  std::map<std::int64_t, std::int64_t> count_of_id, queries_with_count;
  for (const std::int64_t id : gallery_ids) ++count_of_id[id];
  for (const std::int64_t id : query_ids) {
    const auto it = count_of_id.find(id);
    ++queries_with_count[it == count_of_id.end() ? 0 : it->second];
  }
  for (const auto& [relevant, queries] : queries_with_count) {
    const Chance c = chance_of(relevant, static_cast<std::int64_t>(gallery_ids.size()));
    const double share = 100.0 * static_cast<double>(queries) / static_cast<double>(query_ids.size());
    mean.r1 += share * c.r1;
    mean.r5 += share * c.r5;
    mean.r10 += share * c.r10;
    mean.map += share * c.ap;
    mean.minp += share * c.inp;
  }
  return mean;
}

Json to_json(const RetrievalMetrics& metrics) {
  const Measures values = measures_of(metrics);
  Json json = Json::object();
  for (std::size_t m = 0; m < kMeasures; ++m) json[kMeasureNames[m]] = values[m];
  return json;
}

}  // namespace edgeclip
