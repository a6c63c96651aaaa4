#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/image/image.h"

/// Video and the rarer image formats, through libedgeclip_media.so (OpenCV), which is loaded at the first
/// call. It is looked for in $EDGECLIP_MODULE_PATH, beside the program (../lib/edgeclip, ../lib), and in the
/// install folder.
namespace edgeclip {

/// Frames of a video, which are numbered from 0 as they are decoded.  Not thread-safe.
class VideoReader {
 public:
  /// Throws InvalidInput if the file cannot be opened as a video, MachineFault if the machine cannot open it.
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;
  /// The next frame; false at the end, which damage looks like too.
  bool next(Image* frame);
  /// Passes over so many frames, which are not copied; fewer at the end: how many there were.
  std::int64_t skip(std::int64_t frames);
  /// The frame of this number comes next; false if the video ends before.  constant_rate: frame k is known to lie k / fps() behind the
  /// first, so that it can be reached from the key frame before it; else, where frames would have to be gone back, all before it are
  /// decoded once more.
  bool seek(std::int64_t frame, bool constant_rate);
  /// Seconds from the container's beginning to the last frame that was read or passed over; -1 where it does not say.
  double time() const;
  double fps() const;
  std::int64_t frame_count() const;  ///< as the container says; may be 0

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// An image in any format OpenCV reads.  bytes: the whole file; name: for messages.  Throws InvalidInput.
Image decode_with_media_module(const std::string& bytes, const std::string& name);

/// True if the name ends like a video (.avi .mp4 .mkv .mov .webm .m4v .mpg .mpeg).
bool is_video_name(const std::filesystem::path& path);
/// True if the name ends like an image (.jpg .jpeg .png .bmp .webp .tif .tiff .ppm).
bool is_image_name(const std::filesystem::path& path);

}  // namespace edgeclip
