#include "data/augment/erasing.h"

#include <cmath>
#include <cstddef>

#include "data/augment/probability.h"

namespace edgeclip {

void ErasingOptions::validate(const std::string& where) const {
  require_probability(where, "probability", probability);
  require_range(where, "area", area_min, area_max, 1);
  require_range(where, "ratio", ratio_min, ratio_max, 1000);
}

bool erase_region(float* pixels, int height, int width, const ErasingOptions& options, Rng& rng) {
  if (!rng.chance(options.probability)) return false;
  const double image = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = image * rng.uniform(options.area_min, options.area_max);
    const double ratio = std::exp(rng.uniform(std::log(options.ratio_min), std::log(options.ratio_max)));
    const double tall = std::round(std::sqrt(area * ratio)), wide = std::round(std::sqrt(area / ratio));
    if (tall < 1 || wide < 1 || tall >= height || wide >= width) continue;
    const int h = static_cast<int>(tall), w = static_cast<int>(wide);
    const int y = rng.range(0, height - h), x = rng.range(0, width - w);
    for (int c = 0; c < 3; ++c)
      for (int row = y; row < y + h; ++row) {
        float* to = pixels + (static_cast<std::ptrdiff_t>(c) * height + row) * width + x;
        for (int i = 0; i < w; ++i) to[i] = options.fill == "noise" ? static_cast<float>(rng.normal()) : 0.0f;
      }
    return true;
  }
  return false;
}

}  // namespace edgeclip
