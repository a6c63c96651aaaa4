#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "retrieval/search/gallery_set.h"

namespace edgeclip {

/// Which items may be found.
struct SearchFilter {
  std::set<std::string> cameras;  ///< taken by one of them; empty: whatever camera
  std::int64_t after = std::numeric_limits<std::int64_t>::min();   ///< not before: microseconds since 1970, UTC
  std::int64_t before = std::numeric_limits<std::int64_t>::max();  ///< before: likewise

  bool timed() const { return after != std::numeric_limits<std::int64_t>::min() || before != std::numeric_limits<std::int64_t>::max(); }
  bool any() const { return !cameras.empty() || timed(); }
};

/// Masks of what passes the filter and is not removed, for scan_rows(): they point into it.
class FilterMasks {
 public:
  /// Of a filter that lets all pass, rows are left as they are.  An item whose time or camera is not known does not pass a filter by it.
  FilterMasks(const GallerySet& galleries, const SearchFilter& filter, std::vector<kernels::ScanRows>& rows);
  /// Items that pass.
  std::int64_t passing() const { return passing_; }

 private:
  std::vector<std::vector<std::uint64_t>> masks_;
  std::int64_t passing_ = 0;
};

}  // namespace edgeclip
