#include "data/augment/crops.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/augment/probability.h"

namespace edgeclip {

void PadCropOptions::validate(const std::string& where) const {
  if (pixels < 0 || pixels > 4096) invalid_input("{}pixels: must be 0 (off) to 4096, is {}", where, pixels);
}

void ResizedCropOptions::validate(const std::string& where) const {
  require_probability(where, "probability", probability);
  require_range(where, "scale", scale_min, scale_max, 1);
  require_range(where, "ratio", ratio_min, ratio_max, 100);
}

Image shift(const Image& image, int dx, int dy, const std::string& fill) {
  EDGECLIP_CHECK(fill == "black" || fill == "edge", "fill {}", fill);
  const bool black = fill == "black";
  Image out(image.width, image.height);  // zeros
  for (int y = 0; y < image.height; ++y) {
    const int from_y = y + dy;
    if (black && (from_y < 0 || from_y >= image.height)) continue;
    const std::uint8_t* from = image.row(std::clamp(from_y, 0, image.height - 1));
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < image.width; ++x) {
      const int from_x = x + dx;
      if (black && (from_x < 0 || from_x >= image.width)) continue;
      std::copy_n(from + 3 * static_cast<std::ptrdiff_t>(std::clamp(from_x, 0, image.width - 1)), 3,
                  to + 3 * static_cast<std::ptrdiff_t>(x));
    }
  }
  return out;
}

Region draw_resized_crop(int width, int height, double proportions, const ResizedCropOptions& options,
                         Rng& rng) {
  const double area = static_cast<double>(width) * height;
  const double low = options.ratio_min * proportions, high = options.ratio_max * proportions;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double part = area * rng.uniform(options.scale_min, options.scale_max);
    const double ratio = std::exp(rng.uniform(std::log(low), std::log(high)));
    const auto w = static_cast<int>(std::min(std::round(std::sqrt(part * ratio)), 1e9)),
               h = static_cast<int>(std::min(std::round(std::sqrt(part / ratio)), 1e9));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int x = rng.range(0, width - w), y = rng.range(0, height - h);
    return {x, y, w, h};
  }
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < low)
    h = static_cast<int>(std::lround(width / low));
  else if (ratio > high)
    w = static_cast<int>(std::lround(height * high));
  w = std::clamp(w, 1, width);
  h = std::clamp(h, 1, height);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

}  // namespace edgeclip
