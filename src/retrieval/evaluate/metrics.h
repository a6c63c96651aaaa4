#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/tensor.h"

namespace edgeclip {

/// In percent.  Defined at retrieval_metrics().
struct RetrievalMetrics {
  double r1 = 0, r5 = 0, r10 = 0, map = 0, minp = 0;
};

/// scores: (Q, N), higher is better; equal scores keep gallery order (stable), NaN counts as the lowest.  A
/// gallery item is relevant when its id equals the query's.  R@K = share of queries with a relevant item
/// among the first K; AP = mean precision at each hit; INP = hits / rank of the last hit; a query without
/// relevant items counts 0.  Q = 0 gives zeros. Uses all threads.
RetrievalMetrics retrieval_metrics(const TensorView& scores, const std::vector<std::int64_t>& query_ids,
                                   const std::vector<std::int64_t>& gallery_ids);

/// What a random order of the gallery gives in expectation: exact, not simulated.
RetrievalMetrics chance_metrics(const std::vector<std::int64_t>& query_ids,
                                const std::vector<std::int64_t>& gallery_ids);

/// Of one query, each in [0, 1]; metrics are means over queries.
struct QueryMetrics {
  double first_rank = 0;  ///< of the first hit, 1 = best; 0 without relevant items
  double ap = 0, inp = 0;
};

/// scores: N values of one query against gallery_ids.
QueryMetrics query_metrics(const float* scores, std::int64_t query_id,
                           const std::vector<std::int64_t>& gallery_ids);

/// What is reported, in this order; each is a mean over queries.
inline constexpr std::size_t kMeasures = 5;
using Measures = std::array<double, kMeasures>;
inline constexpr std::array<const char*, kMeasures> kMeasureNames = {"R@1", "R@5", "R@10", "mAP", "mINP"};

/// Each in [0, 1]: recalls are 0 or 1.
Measures measures_of(const QueryMetrics& query);
/// In percent, as they are there.
Measures measures_of(const RetrievalMetrics& metrics);

/// Places of the k best of n scores (all, if there are fewer), best first, in the order of the metrics: equal
/// scores keep gallery order, NaN counts as the lowest.
std::vector<std::size_t> best_items(const float* scores, std::size_t n, std::size_t k);

/// Means over queries, in percent.
RetrievalMetrics mean_metrics(const std::vector<QueryMetrics>& queries);

/// {"R@1","R@5","R@10","mAP","mINP"}
Json to_json(const RetrievalMetrics& metrics);

}  // namespace edgeclip
