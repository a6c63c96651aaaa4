#include "retrieval/search/filter.h"

#include <bit>

namespace edgeclip {

FilterMasks::FilterMasks(const GallerySet& galleries, const SearchFilter& filter, std::vector<kernels::ScanRows>& rows)
    : passing_(galleries.size()) {
  if (!filter.any()) return;
  passing_ = 0;
  auto part = rows.begin();
  for (const GallerySnapshot& gallery : galleries.galleries())
    for (const Segment& segment : gallery.segments()) {
      const std::int64_t count = segment.entry.rows;
      if (count == 0) continue;  // as scan_rows() does
      std::vector<std::uint64_t> mask(static_cast<std::size_t>((count + 63) / 64), 0);
      const std::vector<bool> wanted = segment.items.cameras_among(filter.cameras);
      for (std::int64_t row = 0; row < count; ++row) {
        if (!segment.is_live(row)) continue;
        if (!filter.cameras.empty() && !wanted[segment.items.camera_code(row)]) continue;
        const std::int64_t time = segment.items.time(row);
        if (filter.timed() && (time == kUnknownTime || time < filter.after || time >= filter.before)) continue;
        mask[static_cast<std::size_t>(row / 64)] |= std::uint64_t{1} << (row % 64);
        ++passing_;
      }
      masks_.push_back(std::move(mask));
      (part++)->mask = masks_.back().data();
    }
  EDGECLIP_CHECK(part == rows.end(), "rows of other galleries");
}

}  // namespace edgeclip
