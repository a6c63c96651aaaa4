#pragma once

#include <cstdint>
#include <vector>

#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

/// Galleries that are searched as one (the shards of a large one): the places of each follow those of the one before.  Read-only and
/// thread-safe.
class GallerySet {
 public:
  GallerySet() = default;
  /// Throws InvalidInput if there is none, or if one is of another embedding space than the first.
  explicit GallerySet(std::vector<GallerySnapshot> galleries);

  const std::vector<GallerySnapshot>& galleries() const { return galleries_; }
  int embedding_dim() const { return galleries_.front().manifest().embedding_dim; }
  std::int64_t size() const { return size_; }
  std::int64_t places() const { return first_.back(); }
  bool complete() const;

  struct At {
    std::size_t which;  ///< of galleries()
    std::int64_t place;
  };
  At at(std::int64_t place) const;
  GalleryItem item(std::int64_t place) const;
  std::uint64_t number(std::int64_t place) const;
  std::filesystem::path file_of(std::int64_t place) const;
  const GallerySource& source(std::int64_t place) const;
  void read_row(std::int64_t place, float* to) const;
  std::vector<kernels::ScanRows> scan_rows() const;

  /// As of GallerySnapshot, of each.
  void find_images(const std::string& given);

 private:
  std::vector<GallerySnapshot> galleries_;
  std::vector<std::int64_t> first_ = {0};  ///< place of each one's first, and the end
  std::int64_t size_ = 0;
};

}  // namespace edgeclip
