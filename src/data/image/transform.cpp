#include "data/image/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/error.h"
#include "data/image/resample.h"

namespace edgeclip {

namespace {

/// Python's round(): halves go to the even neighbour.  numerator >= 0.
int half_rounded_to_even(int numerator) { return numerator / 2 + (numerator % 4 == 3 ? 1 : 0); }

}  // namespace

void ImageTransform::validate(const std::string& where) const {
  constexpr int kMaxSide = 8192;
  for (const int side : {height, width})
    if (side < 1 || side > kMaxSide)
      invalid_input("{}height and width must be 1 to {}, found {}", where, kMaxSide, side);
  if (resize != "stretch" && resize != "shortest_crop")
    invalid_input("{}resize: \"{}\" is not one of \"stretch\", \"shortest_crop\"", where, resize);
  filter_named(filter, where);
  if (shortest != 0 &&
      (resize != "shortest_crop" || shortest < std::max(height, width) || shortest > kMaxSide))
    invalid_input("{}shortest: {} goes with shortest_crop and is not smaller than the crop ({} x {})", where,
                  shortest, height, width);
  if (crop_rounding != "half_even" && crop_rounding != "floor")
    invalid_input("{}crop_rounding: \"{}\" is not one of \"half_even\", \"floor\"", where, crop_rounding);
  if (exif != "ignore" && exif != "apply")
    invalid_input("{}exif: \"{}\" is not one of \"ignore\", \"apply\"", where, exif);
  if (mean.size() != 3 || std.size() != 3)
    invalid_input("{}mean and std need three values each (red, green, blue), found {} and {}", where,
                  mean.size(), std.size());
  for (const double value : mean)
    if (!std::isfinite(value)) invalid_input("{}mean: values must be finite", where);
  for (const double value : std)
    if (!std::isfinite(value) || value <= 0)
      invalid_input("{}std: values must be above 0, found {}", where, value);
}

Image resize_image(const Image& image, int width, int height, const std::string& filter) {
  return resize_part(image, width, height, 0, 0, width, height, filter_named(filter));
}

namespace {

struct Size {
  std::int64_t width, height;
};

/// The whole image's size after the resize of shortest_crop: the shortest side is exact, the other cut off to
/// an integer, and neither is smaller than the crop.
Size size_before_crop(int width, int height, const ImageTransform& t) {
  if (t.shortest > 0) {
    if (width <= height) return {t.shortest, std::int64_t{t.shortest} * height / width};
    return {std::int64_t{t.shortest} * width / height, t.shortest};
  }
  if (static_cast<std::int64_t>(width) * t.height <= static_cast<std::int64_t>(height) * t.width)
    return {t.width, static_cast<std::int64_t>(t.width) * height / width};
  return {static_cast<std::int64_t>(t.height) * width / height, t.height};
}

}  // namespace

Image transform_geometry(const Image& image, const ImageTransform& transform) {
  const int width = transform.width, height = transform.height;
  const Filter filter = filter_named(transform.filter);
  if (transform.resize == "stretch") return resize_part(image, width, height, 0, 0, width, height, filter);
  EDGECLIP_CHECK(transform.resize == "shortest_crop", "resize {}", transform.resize);
  const Size full = size_before_crop(image.width, image.height, transform);
  // A needle of an image would need more weights than memory; nothing could be seen in its crop.
  if (full.width > 1 << 24 || full.height > 1 << 24)
    invalid_input("an image of {} x {} pixels is too elongated for shortest_crop", image.width, image.height);
  const auto margin = [&](std::int64_t whole, int part) {
    const int twice = static_cast<int>(whole) - part;
    return transform.crop_rounding == "floor" ? twice / 2 : half_rounded_to_even(twice);
  };
  return resize_part(image, static_cast<int>(full.width), static_cast<int>(full.height),
                     margin(full.width, width), margin(full.height, height), width, height, filter);
}

void normalize_pixels(const Image& image, const ImageTransform& transform, bool flip, float* out) {
  std::array<std::array<float, 256>, 3> table;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(transform.mean.at(c)), std = static_cast<float>(transform.std.at(c));
    for (std::size_t v = 0; v < 256; ++v) table[c][v] = (static_cast<float>(v) / 255.0f - mean) / std;
  }
  const auto width = static_cast<std::size_t>(image.width);
  const std::size_t plane = width * static_cast<std::size_t>(image.height);
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.row(y);
    float* to = out + static_cast<std::size_t>(y) * width;
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t* pixel = row + 3 * (flip ? width - 1 - x : x);
      for (std::size_t c = 0; c < 3; ++c) to[c * plane + x] = table[c][pixel[c]];
    }
  }
}

void transform_image(const Image& image, const ImageTransform& transform, float* out) {
  normalize_pixels(transform_geometry(image, transform), transform, false, out);
}

ReadOptions read_options(const ImageTransform& transform, bool whole) {
  ReadOptions options;
  options.upright = transform.exif == "apply";
  if (transform.fast_decode && !whole)  // for either side: the file may lie on its side
    options.least_width = options.least_height =
        std::max({transform.width, transform.height, transform.shortest});
  return options;
}

namespace {

Image transformed(const Image& image, const ImageTransform& transform, const std::string& name) {
  try {
    return transform_geometry(image, transform);
  } catch (const InvalidInput& error) {
    throw InvalidInput(name + ": " + error.what());
  }
}

}  // namespace

Image load_image(const std::filesystem::path& path, const ImageTransform& transform) {
  return transformed(read_image(path, read_options(transform)), transform, path.string());
}

Image load_image(const std::string& bytes, const std::string& name, const ImageTransform& transform) {
  return transformed(decode_image(bytes, name, read_options(transform)), transform, name);
}

}  // namespace edgeclip
