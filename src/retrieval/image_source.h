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
/// folder.  Nothing is decoded. Throws InvalidInput if it is none of these or holds no image.
ImageSource open_image_source(const std::filesystem::path& what, const std::string& split = "all");

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
