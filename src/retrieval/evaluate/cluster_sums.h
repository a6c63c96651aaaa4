#pragma once

#include <cstdint>
#include <vector>

#include "retrieval/evaluate/query_outcome.h"

namespace edgeclip {

/// Measures of queries that come in clusters: those of one person are alike (the same clothes, the same
/// captions' writers), so persons are what is independent, and what a resampling or a test takes as its unit.
struct ClusterSums {
  std::vector<double> counts;  ///< (C) queries of each person, ascending by id
  std::vector<Measures> sums;  ///< (C) over these queries, each measure of one in [0, 1]

  std::size_t clusters() const { return counts.size(); }
  /// Over all queries, in percent.  Zeros without queries.
  Measures means() const;
};

ClusterSums cluster_sums(const std::vector<QueryOutcome>& outcomes);

/// Of the differences a - b, query by query; both must be of the same queries (CHECK).
ClusterSums cluster_differences(const std::vector<QueryOutcome>& a, const std::vector<QueryOutcome>& b);

}  // namespace edgeclip
