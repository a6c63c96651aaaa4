#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/image/image.h"
#include "data/image/media.h"
#include "retrieval/gallery.h"

namespace edgeclip {

/// Images to be indexed, in a fixed order.
struct ImageSource {
  std::string kind;                  ///< "images" | "dataset" | "video"
  std::filesystem::path image_root;  ///< absolute; paths of items are relative to it unless absolute
  std::vector<GalleryItem> items;    ///< of a video: empty, its frames are found while reading
  std::filesystem::path video;       ///< of kind "video"
  std::string description;           ///< the path that was given
};

/// what: a folder (images below it by name ending, sorted by path), a prepared dataset (split "all" or one of
/// its splits), a video, one image, or a text file that lists images, one path per line, relative to its
/// folder.  In a folder links are followed and each real folder is taken once; a warning counts and names the
/// videos, which are not taken, and links to nothing.  image_root: where a
/// dataset's images are ("": as find_image_root says).  Nothing is decoded.  Throws InvalidInput if it is
/// none of these, holds no image, or has a folder that cannot be read.
ImageSource open_image_source(const std::filesystem::path& what, const std::string& split = "all",
                              const std::string& image_root = {});

/// Part i of n in order (1-based, as "--shard 2/4"): consecutive items, sizes differ by at most one.
struct Shard {
  int index = 1, count = 1;
  /// First item and one past the last of `total`.
  std::int64_t begin(std::int64_t total) const { return total * (index - 1) / count; }
  std::int64_t end(std::int64_t total) const { return total * index / count; }
};
/// "i/n" with 1 <= i <= n.  Throws InvalidInput otherwise.
Shard parse_shard(const std::string& text);

/// "VIDEO#frame=N", the path of a video's frame in a gallery.
std::string frame_path(const std::string& video, std::int64_t frame);

/// A gallery item's path, taken apart.
struct ItemPath {
  std::string file;
  std::int64_t frame = -1;  ///< of the video `file`; -1: it is an image
};
ItemPath parse_item_path(const std::string& path);

/// What people call an item: its file name, or "VIDEO, frame 120".
std::string item_name(const std::string& path);

/// Loads images of a gallery's items, frames of videos included; frames asked for in ascending order are read
/// in one go. Not thread-safe.
class ItemReader {
 public:
  /// Throws InvalidInput if the image is not there any more.
  Image read(const std::filesystem::path& image_root, const std::string& path);

 private:
  std::string video_;
  std::unique_ptr<VideoReader> reader_;
  std::int64_t next_frame_ = 0;
};

}  // namespace edgeclip
