#include "retrieval/evaluate/cluster_sums.h"

#include <map>

#include "base/error.h"

namespace edgeclip {
namespace {

/// Sums of minuend - subtrahend (null: nothing is taken off).
ClusterSums sums_by_person(const std::vector<QueryOutcome>& minuend,
                           const std::vector<QueryOutcome>* subtrahend) {
  std::map<std::int64_t, std::size_t> place;
  for (const QueryOutcome& outcome : minuend) place[outcome.id] = 0;
  std::size_t next = 0;
  for (auto& entry : place) entry.second = next++;
  ClusterSums result;
  result.counts.resize(place.size());
  result.sums.resize(place.size());
  for (std::size_t q = 0; q < minuend.size(); ++q) {
    const std::size_t at = place[minuend[q].id];
    Measures values = measures_of(minuend[q].metrics);
    if (subtrahend != nullptr) {
      const QueryOutcome& other = (*subtrahend)[q];
      EDGECLIP_CHECK(other.id == minuend[q].id && other.number == minuend[q].number, "query {} beside {}",
                     minuend[q].number, other.number);
      const Measures less = measures_of(other.metrics);
      for (std::size_t m = 0; m < kMeasures; ++m) values[m] -= less[m];
    }
    result.counts[at] += 1;
    for (std::size_t m = 0; m < kMeasures; ++m) result.sums[at][m] += values[m];
  }
  return result;
}

}  // namespace

Measures ClusterSums::means() const {
  Measures total{};
  double queries = 0;
  for (std::size_t c = 0; c < clusters(); ++c) {
    queries += counts[c];
    for (std::size_t m = 0; m < kMeasures; ++m) total[m] += sums[c][m];
  }
  for (double& value : total) value = queries > 0 ? 100 * value / queries : 0;
  return total;
}

ClusterSums cluster_sums(const std::vector<QueryOutcome>& outcomes) {
  return sums_by_person(outcomes, nullptr);
}

ClusterSums cluster_differences(const std::vector<QueryOutcome>& a, const std::vector<QueryOutcome>& b) {
  EDGECLIP_CHECK(a.size() == b.size(), "{} queries beside {}", a.size(), b.size());
  return sums_by_person(a, &b);
}

}  // namespace edgeclip
