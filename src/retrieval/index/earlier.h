#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "retrieval/gallery/snapshot.h"
#include "retrieval/index/image_source.h"
#include "retrieval/index/indexing.h"

namespace edgeclip {

/// The gallery's source that is this one: of the same images, shard and step of frames.  list: hash of the source's paths.
std::optional<std::int32_t> find_source(const GalleryManifest& manifest, const ImageSource& source, const std::string& list,
                                        const IndexOptions& options);

/// What of a source a gallery holds already.
class EarlierIndex {
 public:
  /// list: hash of the source's paths (GallerySource::list).
  EarlierIndex(const GallerySnapshot& gallery, const ImageSource& source, const std::string& list, const IndexOptions& options);

  /// find_source().
  std::optional<std::int32_t> source() const { return source_; }
  bool complete() const { return source_ && gallery_.manifest().sources[static_cast<std::size_t>(*source_)].complete; }

  struct Known {
    std::uint64_t number;
    bool current;  ///< neither the file (by size and time) nor what is known of the item has changed since
  };
  /// Of an image of the source, with its file's size and time as they are now, or a frame of its video.
  std::optional<Known> find(const GalleryItem& item) const;

 private:
  static std::string key_of(const std::filesystem::path& root, const GalleryItem& item);

  std::filesystem::path root_;
  std::optional<std::int32_t> source_;
  GallerySnapshot gallery_;
  std::unordered_map<std::string, std::int64_t> place_of_;
};

/// The file's size and time into the item; leaves them unknown where there is none.
void note_file(const std::filesystem::path& file, GalleryItem& item);

}  // namespace edgeclip
