#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image/image.h"

/// Images, files and videos that tests make themselves.
namespace edgeclip::test {

/// A smooth picture with a few edges; other seeds give other pictures.
Image picture(int width, int height, int seed = 0);
Image filled(int width, int height, std::uint8_t r, std::uint8_t g, std::uint8_t b);

/// channels: 1 grey, 3 RGB, 4 CMYK as stored (inverted).  Quality 100, no chroma subsampling.
std::string encode_jpeg(int width, int height, int channels, const std::vector<std::uint8_t>& pixels,
                        bool progressive = false);
std::string encode_jpeg(const Image& image);

struct PngForm {
  int colour_type;  ///< PNG_COLOR_TYPE_*
  int bit_depth;
  bool interlaced = false;
  std::vector<std::uint8_t> palette;  ///< RGB triples
};
/// rows: packed as PNG packs them.
std::string encode_png(int width, int height, const PngForm& form, const std::vector<std::uint8_t>& rows);

/// A motion JPEG stream of these frames.
std::string encode_video(const std::vector<Image>& frames);

}  // namespace edgeclip::test
