#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/scan/scan.h"
#include "retrieval/gallery/segment.h"

namespace edgeclip {

/// One generation of a gallery: what was in it when it was opened, whatever becomes of it meanwhile.  Read-only and thread-safe; copies
/// share it.
///
/// Its rows are numbered through, segment by segment, removed ones as well: such a number is a *place*, which this snapshot alone
/// understands, while an item's own number never changes.
class GallerySnapshot {
 public:
  GallerySnapshot() = default;
  GallerySnapshot(std::filesystem::path directory, GalleryManifest manifest, std::vector<Segment> segments);

  const std::filesystem::path& directory() const { return directory_; }  ///< empty: only in memory
  const GalleryManifest& manifest() const { return manifest_; }
  const std::vector<Segment>& segments() const { return segments_; }
  /// Items: rows that are not removed.
  std::int64_t size() const { return size_; }
  /// Places: all rows.
  std::int64_t places() const { return places_; }

  bool is_live(std::int64_t place) const;
  GalleryItem item(std::int64_t place) const;
  std::uint64_t number(std::int64_t place) const;
  /// Of GalleryManifest::sources.  Throws InvalidInput where there is no such source.
  std::int32_t source_number(std::int64_t place) const;
  const GallerySource& source(std::int64_t place) const { return manifest_.sources[static_cast<std::size_t>(source_number(place))]; }
  /// The embedding as float32 into to[0, D).
  void read_row(std::int64_t place, float* to) const;
  /// The place of item i in gallery order, 0 <= i < size().
  std::int64_t place_of(std::int64_t i) const;
  /// Calls visit(place) for all items, in order.
  template <class Visit>
  void each(const Visit& visit) const {
    for (std::int64_t place = 0; place < places_; ++place)
      if (is_live(place)) visit(place);
  }
  /// What a search reads: hits name places.  The snapshot must outlive it.
  std::vector<kernels::ScanRows> scan_rows() const;

  /// Where the images of each source are (find_image_root; given: the user's --image-root or "").  Throws InvalidInput if it is not known.
  void find_images(const std::string& given);
  /// Where the image or video of an item lies.  Throws InvalidInput if its path leaves a root that it must not leave.
  std::filesystem::path file_of(std::int64_t place) const;

 private:
  struct At {
    const Segment& segment;
    std::int64_t row;
  };
  At at(std::int64_t place) const;

  std::filesystem::path directory_;
  GalleryManifest manifest_;
  std::vector<Segment> segments_;
  std::vector<std::int64_t> first_;  ///< place of each segment's first row
  std::int64_t size_ = 0, places_ = 0;
};

/// Opens a gallery of any format that is read.  Neither rows nor items are read: files are there and as long as gallery.json says.
/// Images are not looked for.  Throws InvalidInput naming what is wrong.
GallerySnapshot open_gallery(const std::filesystem::path& directory);

/// Reads all of it: checksums, that rows are finite and of length 1, that items can be read, have numbers of their own and sources that
/// there are, and that no path leaves a root that it must not leave.  Throws InvalidInput naming the first that is wrong.
void verify_gallery(const std::filesystem::path& directory);

/// Of what an encoder has just given, nowhere on disk.  rows: (N, D) float32.
GallerySnapshot gallery_in_memory(const GalleryManifest& manifest, const std::vector<GalleryItem>& items, Tensor rows,
                                  GallerySource source = {});

/// Throws InvalidInput naming both models, and what to do, unless the encoder's embeddings may be compared with the gallery's: of the same
/// embedding space.  Another precision of the same model is allowed: then this returns what to say of it, else "".  With same_precision it
/// is refused.
std::string require_same_space(const GallerySnapshot& gallery, const Encoder& encoder, bool same_precision = false);

}  // namespace edgeclip
