#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "retrieval/gallery.h"

namespace edgeclip {

struct SearchOptions {
  std::int64_t top = 10;  ///< K: at most this many results per query, at least 1
  float threshold = -std::numeric_limits<float>::infinity();  ///< least cosine of a result
  int threads = 0;                                            ///< 0: all (thread_count())
};

struct SearchHit {
  std::int64_t rank = 0;  ///< 1 = best
  float score = 0;        ///< cosine, -1..1
  std::string path;       ///< of the item, as the gallery has it
  std::int64_t id = -1;
  std::int64_t item = 0;  ///< index into Gallery::items
  std::string caption;    ///< of the item, "" where none is known
};

/// The K best items of each query by exact cosine, best first; equal scores keep gallery order.  queries: (Q,
/// D) float32, unit rows.  Returns Q lists, shorter than K where the gallery or the threshold gives no more.
/// Throws InvalidInput if top < 1 or D differs.
std::vector<std::vector<SearchHit>> search(const Gallery& gallery, const TensorView& queries,
                                           const SearchOptions& options);

}  // namespace edgeclip
