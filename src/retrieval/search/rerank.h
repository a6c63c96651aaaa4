#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeclip {

/// Re-ranking by k-reciprocal nearest neighbours (Zhong, Zheng, Cao, Li: Re-ranking Person Re-identification with k-reciprocal Encoding,
/// CVPR 2017, arXiv:1701.03717): what is found is compared by whom else it is near to.
struct RerankOptions {
  std::int64_t candidates = 0;  ///< the best so many of a query are put into a new order; 0: none are
  int k1 = 20, k2 = 6;          ///< neighbours of a set, of which twice k1's half is asked again; that an item's set is averaged over
  double lambda = 0.3;          ///< share of the distance before
  void check(const char* where) const;  ///< Throws InvalidInput
};

/// query: (dim,), rows: (count, dim), unit.  The order of the rows by the new distance, least first, ties as they stood; distances: (count,), if
/// wanted.  As the authors' program computes it (squared distances, each row divided by its largest), in float64, of the query and these rows
/// alone.  Memory and time grow with the square of count.
std::vector<std::size_t> k_reciprocal_order(const float* query, const float* rows, std::size_t count, std::size_t dim, const RerankOptions& options,
                                            std::vector<double>* distances = nullptr);

}  // namespace edgeclip
