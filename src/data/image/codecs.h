#pragma once

#include <cstdint>
#include <string>

#include "data/image/image.h"

/// The decoders behind read_image(), one file each.  bytes: the whole file; name: for messages.  Thread-safe;
/// hostile input ends in InvalidInput.
namespace edgeclip {

/// More pixels than this are refused before memory is asked for (Pillow's limit for decompression bombs).
inline constexpr std::int64_t kMaxImagePixels = 178956970;

/// Throws InvalidInput unless 1 <= width * height <= kMaxImagePixels.
void require_image_size(std::int64_t width, std::int64_t height, const std::string& name);

Image decode_jpeg(const std::string& bytes, const std::string& name, const ReadOptions& options = {});
Image decode_png(const std::string& bytes, const std::string& name, const ReadOptions& options = {});

/// A whole PNG file; the image must not be empty (CHECK).
std::string encode_png(const Image& image);

}  // namespace edgeclip
