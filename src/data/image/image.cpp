#include "data/image/image.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/io_error.h"
#include "data/image/codecs.h"
#include "data/image/media.h"

namespace edgeclip {

namespace {

/// First bytes of the formats that the media module reads; anything else would load it for nothing.
bool is_rarer_format(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.size() >= 12 && bytes.substr(0, 4) == "RIFF" && bytes.substr(8, 4) == "WEBP") return true;
  if (bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6')
    return true;  // PBM, PGM, PPM
  for (const auto magic :
       {"BM"sv, "II*\0"sv, "MM\0*"sv, "\0\0\0\x0CjP  "sv, "\x76\x2F\x31\x01"sv, "#?RADIANCE"sv})
    if (bytes.substr(0, magic.size()) == magic) return true;
  return false;
}

}  // namespace

void require_image_size(std::int64_t width, std::int64_t height, const std::string& name) {
  if (width < 1 || height < 1 || width > kMaxImagePixels / height)
    invalid_input("{}: an image of {} x {} pixels is not read (at most {} pixels)", name, width, height,
                  kMaxImagePixels);
}

Image read_image(const std::filesystem::path& path, const ReadOptions& options) {
  require_file(path, "image");
  if (file_type_at(path) != std::filesystem::file_type::regular)  // which may not end
    invalid_input("{}: is no regular file; copy the image there", path.string());
  return decode_image(read_file(path, kMostImageBytes), path.string(), options);
}

Image decode_image(const std::string& bytes, const std::string& name, const ReadOptions& options) {
  const std::string_view head = bytes;
  if (head.substr(0, 3) == "\xFF\xD8\xFF") return decode_jpeg(bytes, name, options);
  if (head.substr(0, 8) == "\x89PNG\r\n\x1A\n") return decode_png(bytes, name, options);
  if (is_rarer_format(head)) return decode_with_media_module(bytes, name);
  if (bytes.empty()) invalid_input("{}: is empty, not an image; copy it again", name);
  invalid_input("{}: is not an image (JPEG, PNG, WebP, BMP, TIFF or PPM)", name);
}

Image crop(const Image& image, int x, int y, int width, int height) {
  EDGECLIP_CHECK(
      x >= 0 && y >= 0 && width >= 1 && height >= 1 && width <= image.width - x && height <= image.height - y,
      "box {}, {}, {}, {} in {} x {}", x, y, width, height, image.width, image.height);
  Image out(width, height);
  for (int row = 0; row < height; ++row) {
    const std::uint8_t* from = image.row(y + row) + static_cast<std::size_t>(x) * 3;
    std::copy(from, from + static_cast<std::size_t>(width) * 3, out.row(row));
  }
  return out;
}

}  // namespace edgeclip
