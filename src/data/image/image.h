#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/atomic_output.h"

namespace edgeclip {

/// 8-bit RGB, row-major (H, W, 3), no padding between rows.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  Image(int w, int h)
      : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}
  std::uint8_t* row(int y) {
    return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
  const std::uint8_t* row(int y) const {
    return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
};

struct ReadOptions {
  bool upright = false;  ///< turned as its EXIF orientation says, which Pillow's open ignores (JPEG, PNG)
  /// Both above 0: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, but not below this many pixels as
  /// stored. Faster, and not the pixels of the full size scaled down.
  int least_width = 0, least_height = 0;
};

/// Decodes JPEG (libjpeg-turbo) and PNG (libpng) by their first bytes, whatever the name; other formats
/// through the media module.  Like Pillow's convert("RGB"): grey repeated, alpha dropped, palette looked up;
/// but 16 bits are scaled to 8, where Pillow clips grey ones. Throws InvalidInput naming the file if it is
/// missing, truncated or no image.  Thread-safe.
Image read_image(const std::filesystem::path& path, const ReadOptions& options = {});
/// The same of a file's bytes; name: for messages.
Image decode_image(const std::string& bytes, const std::string& name, const ReadOptions& options = {});

/// PNG, through a temporary name.  Throws InvalidInput if it cannot be written.
void write_png(const std::filesystem::path& path, const Image& image, Flush flush = Flush::kWithFile);

/// The part of image inside the box, which must lie within it (CHECK).
Image crop(const Image& image, int x, int y, int width, int height);

}  // namespace edgeclip
