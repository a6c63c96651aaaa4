#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/image/archive.h"
#include "data/image/image.h"
#include "data/image/media.h"
#include "retrieval/gallery/item.h"
#include "retrieval/gallery/manifest.h"

namespace edgeclip {

/// Images to be indexed, in a fixed order.
struct ImageSource {
  std::string kind;                  ///< "images" | "dataset" | "video" | "archive"
  std::filesystem::path image_root;  ///< absolute; paths of items are relative to it unless absolute
  std::vector<GalleryItem> items;    ///< of a video or an archive: empty, they are found while reading
  std::filesystem::path video;       ///< of kind "video"; an archive is the image_root itself
  GalleryItem video_item{};          ///< what is known of all its frames; time: of the first
  std::function<void(GalleryItem&)> describe{};  ///< of an archive: what names say is put into each item
  bool streamed() const { return kind == "video" || kind == "archive"; }
  bool with_boxes = false;           ///< of a video: its items are `boxes` instead of whole frames
  std::map<std::int64_t, std::vector<GalleryItem>> boxes{};  ///< by frame; path, frame and time are found while reading
  std::string description;           ///< the path that was given
};

/// what: a folder (images below it by name ending, sorted by path), a prepared dataset (split "all" or one of
/// its splits), a video, an archive of images (tar, zip), one image, or a text file that lists images, one path per line, relative to its
/// folder.  In a folder links are followed and each real folder is taken once; a warning counts and names the
/// videos, which are not taken, and links to nothing.  image_root: where a
/// dataset's images are ("": as find_image_root says).  Nothing is decoded.  Throws InvalidInput if it is
/// none of these, holds no image, or has a folder that cannot be read.
ImageSource open_image_source(const std::filesystem::path& what, const std::string& split = "all",
                              const std::string& image_root = {});

/// GallerySource::list: a hash of the paths of all images of a source, in order; of a video of its boxes, "" without.
std::string list_hash(const ImageSource& source);

/// Part i of n in order (1-based, as "--shard 2/4"): consecutive items, sizes differ by at most one.
struct Shard {
  int index = 1, count = 1;
  /// First item and one past the last of `total`.
  std::int64_t begin(std::int64_t total) const { return total * (index - 1) / count; }
  std::int64_t end(std::int64_t total) const { return total * index / count; }
};
/// "i/n" with 1 <= i <= n.  Throws InvalidInput otherwise.
Shard parse_shard(const std::string& text);

/// The part of an image that a box holds, rounded outwards to whole pixels.  Throws InvalidInput naming `where` if nothing of it is in the image.
Image part_of(const Image& image, const Box& box, const std::string& where);

/// Loads images of a gallery's items, frames of videos and members of archives included; those asked for in ascending order are read
/// in one go. Not thread-safe.
class ItemReader {
 public:
  /// file: where the item's image or video lies.  A part of it, where the item has a box.  source: that the item is of.  Throws InvalidInput
  /// if it is not there any more.
  Image read(const std::filesystem::path& file, const GalleryItem& item, const GallerySource& source);

 private:
  Image read_frame(const std::string& video, std::int64_t frame, bool constant_rate);


  std::string video_;
  std::unique_ptr<VideoReader> reader_;
  std::filesystem::path archive_;
  std::unique_ptr<ArchiveReader> members_;
};

}  // namespace edgeclip
