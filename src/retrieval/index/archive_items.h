#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/image/archive.h"
#include "retrieval/index/image_source.h"

namespace edgeclip {

/// The images of an archive, in order, while it is read: its members that are named like images.  Not thread-safe.
class ArchiveItems {
 public:
  /// source: of kind "archive"; must outlive it.  Of a shard i/n, each n-th image.  Nothing is opened yet.
  ArchiveItems(const ImageSource& source, const Shard& shard) : source_(source), shard_(shard) {}

  struct Wanted {
    std::int64_t index;  ///< place among the images of the archive
    GalleryItem item;    ///< path: the member's name; size and time as the archive has them
    std::string bytes;
  };
  /// Reads on to the next image that is wanted; none at the end or on a signal.  Throws InvalidInput if the file is no archive.
  std::optional<Wanted> next(const std::function<bool(std::int64_t index, const GalleryItem& item)>& wants);

  /// The archive is damaged, or ends too early: it is warned about.
  bool cut_off() const { return cut_off_; }

 private:
  const ImageSource& source_;
  const Shard shard_;
  std::unique_ptr<ArchiveReader> reader_;
  std::int64_t index_ = 0;
  bool cut_off_ = false;
};

/// The member `name`, read from where `reader` (of `archive`; made when it is none) stands, or from the beginning.  Throws InvalidInput if there is
/// none.
std::string read_member(std::unique_ptr<ArchiveReader>& reader, const std::filesystem::path& archive, const std::string& name);

}  // namespace edgeclip
