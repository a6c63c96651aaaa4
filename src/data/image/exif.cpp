#include "data/image/exif.h"

#include <algorithm>
#include <cstdint>

namespace edgeclip {

namespace {

constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3, kLong = 4;

/// Unsigned integers of a TIFF block; 0 outside of it.
struct Tiff {
  std::string_view bytes;
  bool big_endian = false;

  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | static_cast<unsigned char>(bytes[at + (big_endian ? i : size - 1 - i)]);
    return value;
  }
};

}  // namespace

int exif_orientation(std::string_view exif) {
  using namespace std::string_view_literals;
  if (exif.substr(0, 6) == "Exif\0\0"sv) exif.remove_prefix(6);
  const bool big_endian = exif.substr(0, 4) == "MM\0*"sv;
  if (!big_endian && exif.substr(0, 4) != "II*\0"sv) return 1;
  const Tiff tiff{exif, big_endian};
  const std::size_t directory = tiff.number(4, 4);
  const std::uint32_t entries = tiff.number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * std::size_t{i};
    if (entry >= exif.size()) break;
    if (tiff.number(entry, 2) != kOrientationTag) continue;
    const std::uint32_t type = tiff.number(entry + 2, 2);
    if (type != kShort && type != kLong) continue;
    const std::uint32_t value = tiff.number(entry + 8, type == kShort ? 2 : 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // Rows and columns change places from 5 on; then the left or the top is seen in a mirror.
  const bool turned = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(turned ? image.height : image.width, turned ? image.width : image.height);
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3) {
      int from_x = turned ? y : x, from_y = turned ? x : y;
      if (from_right) from_x = image.width - 1 - from_x;
      if (from_bottom) from_y = image.height - 1 - from_y;
      std::copy_n(image.row(from_y) + 3 * from_x, 3, to);
    }
  }
  return out;
}

}  // namespace edgeclip
