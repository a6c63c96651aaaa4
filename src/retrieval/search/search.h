#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "kernels/scan/scan.h"
#include "retrieval/search/filter.h"
#include "retrieval/search/gallery_set.h"
#include "retrieval/search/rerank.h"

namespace edgeclip {

/// What of an item may be found once.
enum class GroupBy { kNone, kPerson, kTrack };

struct SearchOptions {
  std::int64_t top = 10;  ///< K: at most this many results per query, at least 1
  float threshold = -std::numeric_limits<float>::infinity();  ///< least cosine of a result
  int threads = 0;                                            ///< 0: all (thread_count())
  SearchFilter filter;
  GroupBy group = GroupBy::kNone;  ///< each person, or each track of a camera, by its best item alone; items of none stand for themselves
  RerankOptions rerank;            ///< the best candidates in another order, before groups and K are cut; scores stay cosines
};

/// What a search finds: a place of the set, and its cosine.
using Found = kernels::ScanHit;

/// The K best items of each query by exact inner product with the rows as they are kept, best first; equal scores keep gallery order.
/// queries: (Q, D) float32, unit rows.  Returns Q lists, shorter than K where the galleries, the filter or the threshold give no more.  A
/// score is the same whatever the other queries and rows are (docs/numerics.md).  Throws InvalidInput if top < 1 or D differs, Interrupted
/// on a signal.
std::vector<std::vector<Found>> find(const GallerySet& galleries, const TensorView& queries, const SearchOptions& options);

/// A result for people, with what is known of its item.
struct SearchHit {
  std::int64_t rank = 0;     ///< 1 = best
  float score = 0;           ///< cosine, -1..1
  std::int64_t place = 0;    ///< in the set
  std::uint64_t number = 0;  ///< of the item, for ever, in its gallery
  GalleryItem item;
  std::string gallery{};     ///< its folder, where there are several
};

/// find(), and the items of what was found.
std::vector<std::vector<SearchHit>> search(const GallerySet& galleries, const TensorView& queries, const SearchOptions& options);
inline std::vector<std::vector<SearchHit>> search(const GallerySnapshot& gallery, const TensorView& queries, const SearchOptions& options) {
  return search(GallerySet({gallery}), queries, options);
}

}  // namespace edgeclip
