#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace edgeclip {

inline constexpr std::int64_t kUnknownTime = std::numeric_limits<std::int64_t>::min();

/// A part of a frame, pixels of the whole frame.
struct Box {
  float x = 0, y = 0, width = 0, height = 0;  ///< width 0: the whole frame
  bool whole() const { return width <= 0; }
  bool operator==(const Box&) const = default;
};

/// What is known of one indexed image.
struct GalleryItem {
  std::string path;         ///< of its file, an image or a video: relative to its source's image_root, or absolute
  std::int64_t id = -1;     ///< person identity where known (prepared datasets), else -1
  std::int64_t frame = -1;  ///< of a video where known, else -1
  std::string caption{};    ///< first one of a prepared dataset, else ""
  Box box{};
  std::int64_t time = kUnknownTime;  ///< when it was taken: microseconds since 1970, UTC
  std::string camera{};              ///< "" where unknown
  std::int64_t track = -1;           ///< of one person through the frames of a camera; -1: unknown
  /// Of the file when it was indexed, to see whether it has changed since: bytes, and nanoseconds since 1970; -1: unknown.
  std::int64_t file_bytes = -1, file_time = -1;
  /// The path is that of a video, and `frame` one of its frames (of crops of a video, frame says where they come from).
  bool in_video = false;

  bool operator==(const GalleryItem&) const = default;
};

/// How results and messages name an item: its path, of a frame "VIDEO#frame=120", of a part of it "VIDEO#frame=120&xywh=10,20,40,90" (as
/// W3C Media Fragments write it).
std::string shown_path(const GalleryItem& item);

/// What people call an item: its file name, or "VIDEO, frame 120".
std::string item_name(const GalleryItem& item);

}  // namespace edgeclip
