#include "retrieval/search/rerank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace edgeclip {

namespace {

/// Node 0 is the query, the others are the rows.
class Neighbours {
 public:
  Neighbours(const float* query, const float* rows, std::size_t count, std::size_t dim) : nodes_(count + 1), distance_(nodes_ * nodes_), ranked_(nodes_) {
    const auto row = [&](std::size_t i) { return i == 0 ? query : rows + (i - 1) * dim; };
    for (std::size_t i = 0; i < nodes_; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < dim; ++d) dot += static_cast<double>(row(i)[d]) * static_cast<double>(row(j)[d]);
        distance_[i * nodes_ + j] = distance_[j * nodes_ + i] = i == j ? 0 : std::max(0.0, 2 - 2 * dot);
      }
    for (std::size_t i = 0; i < nodes_; ++i) {
      double* of = distance_.data() + i * nodes_;
      const double most = *std::max_element(of, of + nodes_);
      if (most > 0)
        for (std::size_t j = 0; j < nodes_; ++j) of[j] /= most;
      ranked_[i].resize(nodes_);
      std::iota(ranked_[i].begin(), ranked_[i].end(), std::size_t{0});
      std::stable_sort(ranked_[i].begin(), ranked_[i].end(), [&](std::size_t a, std::size_t b) { return of[a] < of[b]; });
    }
  }

  std::size_t nodes() const { return nodes_; }
  double distance(std::size_t i, std::size_t j) const { return distance_[i * nodes_ + j]; }
  /// The nearest k of i, itself among them, all if there are fewer.
  std::vector<std::size_t> nearest(std::size_t i, std::size_t k) const {
    return {ranked_[i].begin(), ranked_[i].begin() + static_cast<std::ptrdiff_t>(std::min(k, nodes_))};
  }
  /// Those of the nearest k that have i among their own nearest k, in order of number.
  std::vector<std::size_t> reciprocal(std::size_t i, std::size_t k) const {
    std::vector<std::size_t> both;
    for (const std::size_t j : nearest(i, k)) {
      const auto back = nearest(j, k);
      if (std::find(back.begin(), back.end(), i) != back.end()) both.push_back(j);
    }
    std::sort(both.begin(), both.end());
    return both;
  }

 private:
  const std::size_t nodes_;
  std::vector<double> distance_;
  std::vector<std::vector<std::size_t>> ranked_;
};

/// (nodes, nodes): of each node a distribution over the expanded set of its reciprocal neighbours, averaged over its nearest k2.
std::vector<double> encoded(const Neighbours& all, const RerankOptions& options) {
  const std::size_t n = all.nodes(), k1 = static_cast<std::size_t>(options.k1) + 1,
                    half = static_cast<std::size_t>(std::nearbyint(options.k1 / 2.0)) + 1;
  std::vector<double> sets(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto first = all.reciprocal(i, k1);
    std::vector<std::size_t> expanded = first;
    for (const std::size_t j : first) {
      const auto of_it = all.reciprocal(j, half);
      std::vector<std::size_t> shared;
      std::set_intersection(of_it.begin(), of_it.end(), first.begin(), first.end(), std::back_inserter(shared));
      if (static_cast<double>(shared.size()) > 2.0 / 3 * static_cast<double>(of_it.size())) expanded.insert(expanded.end(), of_it.begin(), of_it.end());
    }
    std::sort(expanded.begin(), expanded.end());
    expanded.erase(std::unique(expanded.begin(), expanded.end()), expanded.end());
    double sum = 0;
    for (const std::size_t j : expanded) sum += sets[i * n + j] = std::exp(-all.distance(i, j));
    for (const std::size_t j : expanded) sets[i * n + j] /= sum;
  }
  if (options.k2 == 1) return sets;
  std::vector<double> averaged(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto near = all.nearest(i, static_cast<std::size_t>(options.k2));
    for (const std::size_t j : near)
      for (std::size_t m = 0; m < n; ++m) averaged[i * n + m] += sets[j * n + m] / static_cast<double>(near.size());
  }
  return averaged;
}

}  // namespace

void RerankOptions::check(const char* where) const {
  constexpr std::int64_t kMost = 2000;  // the square of it in float64, twice
  if (candidates < 0 || candidates > kMost) invalid_input("{}rerank: {} is not within 0..{}", where, candidates, kMost);
  if (k1 < 1 || k2 < 1) invalid_input("{}rerank_k1, rerank_k2: {}, {}: each is at least 1", where, k1, k2);
  if (!(lambda >= 0 && lambda <= 1)) invalid_input("{}rerank_lambda: {} is not within 0..1", where, lambda);
}

std::vector<std::size_t> k_reciprocal_order(const float* query, const float* rows, std::size_t count, std::size_t dim, const RerankOptions& options,
                                            std::vector<double>* distances) {
  const Neighbours all(query, rows, count, dim);
  const std::vector<double> sets = encoded(all, options);
  const std::size_t n = all.nodes();
  std::vector<double> distance(count);
  for (std::size_t g = 0; g < count; ++g) {
    double least = 0;  // of two distributions: what they share
    for (std::size_t m = 0; m < n; ++m) least += std::min(sets[m], sets[(g + 1) * n + m]);
    distance[g] = (1 - options.lambda) * (1 - least / (2 - least)) + options.lambda * all.distance(0, g + 1);
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });
  if (distances != nullptr) *distances = std::move(distance);
  return order;
}

}  // namespace edgeclip
