#include "data/augment/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "data/augment/probability.h"

namespace edgeclip {

namespace {

/// convert("L"): 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point.
std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

/// Image.blend of one value in single precision: truncated between the two, clipped beyond them.
std::uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return value <= 0.0f ? 0 : value >= 255.0f ? 255 : static_cast<std::uint8_t>(value);
}

/// 0 to 255 blended with one grey.
std::array<std::uint8_t, 256> blend_table(int grey, float factor) {
  std::array<std::uint8_t, 256> table{};
  for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = blend(grey, v, factor);
  return table;
}

struct Hsv {
  int hue, saturation, value;  ///< 0 to 255 each
};

/// Smith's HSV in 8 bits: what is lost in the rounding is lost in Pillow too.  Mixed precision as there.
Hsv to_hsv(const std::uint8_t* rgb) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  if (high == low) return {0, 0, high};
  const auto chroma = static_cast<float>(high - low);
  const float saturation = chroma / static_cast<float>(high);
  const float to_r = static_cast<float>(high - r) / chroma, to_g = static_cast<float>(high - g) / chroma,
              to_b = static_cast<float>(high - b) / chroma;
  float hue;
  if (r == high)
    hue = to_b - to_g;
  else if (g == high)
    hue = static_cast<float>(2.0 + to_r - to_b);
  else
    hue = static_cast<float>(4.0 + to_g - to_r);
  hue = static_cast<float>(std::fmod(hue / 6.0 + 1.0, 1.0));
  return {static_cast<int>(hue * 255.0), static_cast<int>(saturation * 255.0), high};
}

void from_hsv(const Hsv& hsv, std::uint8_t* rgb) {
  const int v = hsv.value;
  if (hsv.saturation == 0) {
    std::fill(rgb, rgb + 3, static_cast<std::uint8_t>(v));
    return;
  }
  const double sixths = hsv.hue * 6.0 / 255.0;
  const int sector = static_cast<int>(sixths);
  const auto f = static_cast<float>(sixths - sector), s = static_cast<float>(hsv.saturation / 255.0);
  const auto rounded = [&](double part) {
    return static_cast<int>(std::lround(static_cast<float>(v) * part));
  };
  const int p = rounded(1.0 - s), q = rounded(1.0 - s * f), t = rounded(1.0 - s * (1.0 - f));
  const std::array<std::array<int, 3>, 6> sectors = {
      {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  for (std::size_t c = 0; c < 3; ++c)
    rgb[c] = static_cast<std::uint8_t>(std::clamp(sectors[static_cast<std::size_t>(sector % 6)][c], 0, 255));
}

template <class Change>
void for_each_pixel(Image& image, Change change) {
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) change(image.rgb.data() + i);
}

}  // namespace

void ColorJitterOptions::validate(const std::string& where) const {
  require_probability(where, "probability", probability);
  const auto require_amount = [&](const char* key, double value, double most) {
    if (!(value >= 0 && value <= most))
      invalid_input("{}{}: must be from 0 to {}, is {}", where, key, most, value);
  };
  require_amount("brightness", brightness, 100);
  require_amount("contrast", contrast, 100);
  require_amount("saturation", saturation, 100);
  require_amount("hue", hue, 0.5);
}

void GreyscaleOptions::validate(const std::string& where) const {
  require_probability(where, "probability", probability);
}

void adjust_brightness(Image& image, float factor) {
  const auto table = blend_table(0, factor);
  for (auto& value : image.rgb) value = table[value];
}

void adjust_contrast(Image& image, float factor) {
  std::uint64_t sum = 0;
  for_each_pixel(image, [&](std::uint8_t* rgb) { sum += luma(rgb); });
  const double mean = static_cast<double>(sum) / static_cast<double>(image.rgb.size() / 3);
  const auto table = blend_table(static_cast<int>(mean + 0.5), factor);
  for (auto& value : image.rgb) value = table[value];
}

void adjust_saturation(Image& image, float factor) {
  for_each_pixel(image, [&](std::uint8_t* rgb) {
    const int grey = luma(rgb);
    for (int c = 0; c < 3; ++c) rgb[c] = blend(grey, rgb[c], factor);
  });
}

void adjust_hue(Image& image, double turn) {
  const int step = static_cast<int>(turn * 255);  // towards 0, then modulo 256
  for_each_pixel(image, [&](std::uint8_t* rgb) {
    Hsv hsv = to_hsv(rgb);
    hsv.hue = (hsv.hue + step) & 0xFF;
    from_hsv(hsv, rgb);
  });
}

void make_greyscale(Image& image) {
  for_each_pixel(image, [](std::uint8_t* rgb) { std::fill(rgb, rgb + 3, luma(rgb)); });
}

bool jitter_colors(Image& image, const ColorJitterOptions& options, Rng& rng) {
  if (!rng.chance(options.probability)) return false;
  const auto factor = [&](double amount) {
    return static_cast<float>(rng.uniform(std::max(0.0, 1 - amount), 1 + amount));
  };
  std::vector<int> order = {0, 1, 2, 3};
  rng.shuffle(order);
  const float brightness = factor(options.brightness), contrast = factor(options.contrast),
              saturation = factor(options.saturation);
  const double hue = rng.uniform(-options.hue, options.hue);
  for (const int what : order) {
    if (what == 0 && options.brightness > 0) adjust_brightness(image, brightness);
    if (what == 1 && options.contrast > 0) adjust_contrast(image, contrast);
    if (what == 2 && options.saturation > 0) adjust_saturation(image, saturation);
    if (what == 3 && options.hue > 0) adjust_hue(image, hue);
  }
  return true;
}

}  // namespace edgeclip
