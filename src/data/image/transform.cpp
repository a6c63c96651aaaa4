#include "data/image/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/error.h"

namespace edgeclip {

namespace {

/// Fraction bits of the weights: 8 bits of pixel and 2 of headroom for bicubic overshoot leave 22 of 32.
constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

/// Output position i of [first, first + count) is the sum of input [start[i], start[i] + length[i]) with
/// weights[i * taps, ...).
struct Coefficients {
  int taps = 0;
  std::vector<int> start, length;
  std::vector<std::int32_t> weights;
};

Coefficients coefficients(int in, int out, int first, int count, bool cubic) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);  // the filter grows with the step: no aliasing
  const double support = (cubic ? 2.0 : 1.0) * filter_scale;
  Coefficients c;
  c.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  c.weights.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(c.taps));
  std::vector<double> row(static_cast<std::size_t>(c.taps));
  for (int i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const int start = std::max(0, static_cast<int>(center - support + 0.5));
    const int length = std::min(in, static_cast<int>(center + support + 0.5)) - start;
    double sum = 0.0;
    for (int k = 0; k < length; ++k) {
      const double x = (k + start - center + 0.5) * (1.0 / filter_scale);
      sum += row[static_cast<std::size_t>(k)] = cubic ? bicubic(x) : bilinear(x);
    }
    std::int32_t* weights = c.weights.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(c.taps);
    for (int k = 0; k < length; ++k) {
      double w = row[static_cast<std::size_t>(k)];
      if (sum != 0.0) w /= sum;
      weights[k] = static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * (1 << kPrecisionBits));
    }
    c.start.push_back(start);
    c.length.push_back(length);
  }
  return c;
}

std::uint8_t clip8(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

/// Rows [first_row, first_row + rows) of image, each resized by c.
Image horizontal_pass(const Image& image, const Coefficients& c, int first_row, int rows) {
  const int width = static_cast<int>(c.start.size());
  Image out(width, rows);
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* in = image.row(first_row + y);
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x, to += 3) {
      const auto i = static_cast<std::size_t>(x);
      const std::uint8_t* from = in + 3 * static_cast<std::size_t>(c.start[i]);
      const std::int32_t* weights = c.weights.data() + i * static_cast<std::size_t>(c.taps);
      std::int32_t r = 1 << (kPrecisionBits - 1), g = r, b = r;
      for (int k = 0; k < c.length[i]; ++k, from += 3) {
        r += from[0] * weights[k];
        g += from[1] * weights[k];
        b += from[2] * weights[k];
      }
      to[0] = clip8(r);
      to[1] = clip8(g);
      to[2] = clip8(b);
    }
  }
  return out;
}

/// c speaks of rows of the whole image; `image` starts at its row first_row.
Image vertical_pass(const Image& image, const Coefficients& c, int first_row) {
  Image out(image.width, static_cast<int>(c.start.size()));
  const std::size_t values = static_cast<std::size_t>(image.width) * 3;
  std::vector<std::int32_t> sums(values);
  for (int y = 0; y < out.height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
    for (int k = 0; k < c.length[i]; ++k) {
      const std::uint8_t* from = image.row(c.start[i] - first_row + k);
      const std::int32_t weight =
          c.weights[i * static_cast<std::size_t>(c.taps) + static_cast<std::size_t>(k)];
      for (std::size_t x = 0; x < values; ++x) sums[x] += from[x] * weight;
    }
    std::uint8_t* to = out.row(y);
    for (std::size_t x = 0; x < values; ++x) to[x] = clip8(sums[x]);
  }
  return out;
}

/// The part (left, top, width, height) of the image resized to (full_width, full_height); the rest is not
/// computed.
Image resize_part(const Image& image, int full_width, int full_height, int left, int top, int width,
                  int height, const std::string& filter) {
  EDGECLIP_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "resize {} x {} to {} x {}",
                 image.width, image.height, full_width, full_height);
  EDGECLIP_CHECK(filter == "bilinear" || filter == "bicubic", "filter {}", filter);
  const bool cubic = filter == "bicubic";
  // A pass that changes nothing is skipped, as Pillow does; it would not alter a pixel.
  const bool horizontal = full_width != image.width || width != full_width;
  const bool vertical = full_height != image.height || height != full_height;
  Coefficients rows;
  int first = 0, last = image.height;
  if (vertical) {
    rows = coefficients(image.height, full_height, top, height, cubic);
    first = rows.start.front();
    last = rows.start.back() + rows.length.back();
  }
  if (!horizontal) return vertical ? vertical_pass(image, rows, 0) : image;
  Image wide =
      horizontal_pass(image, coefficients(image.width, full_width, left, width, cubic), first, last - first);
  return vertical ? vertical_pass(wide, rows, first) : wide;
}

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
  if (filter != "bilinear" && filter != "bicubic")
    invalid_input("{}filter: \"{}\" is not one of \"bilinear\", \"bicubic\"", where, filter);
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
  return resize_part(image, width, height, 0, 0, width, height, filter);
}

Image transform_geometry(const Image& image, const ImageTransform& transform) {
  const int width = transform.width, height = transform.height;
  if (transform.resize == "stretch") return resize_image(image, width, height, transform.filter);
  EDGECLIP_CHECK(transform.resize == "shortest_crop", "resize {}", transform.resize);
  // One side gets its size exactly, the other is cut off to an integer and not smaller than its crop.
  std::int64_t full_width = width, full_height = height;
  if (static_cast<std::int64_t>(image.width) * height <= static_cast<std::int64_t>(image.height) * width)
    full_height = static_cast<std::int64_t>(width) * image.height / image.width;
  else
    full_width = static_cast<std::int64_t>(height) * image.width / image.height;
  // A needle of an image would need more weights than memory; nothing could be seen in its crop.
  if (full_width > 1 << 24 || full_height > 1 << 24)
    invalid_input("an image of {} x {} pixels is too elongated for shortest_crop", image.width, image.height);
  const int left = half_rounded_to_even(static_cast<int>(full_width) - width);
  const int top = half_rounded_to_even(static_cast<int>(full_height) - height);
  return resize_part(image, static_cast<int>(full_width), static_cast<int>(full_height), left, top, width,
                     height, transform.filter);
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

Image load_image(const std::filesystem::path& path, const ImageTransform& transform) {
  const Image image = read_image(path);
  try {
    return transform_geometry(image, transform);
  } catch (const InvalidInput& error) {
    throw InvalidInput(path.string() + ": " + error.what());
  }
}

}  // namespace edgeclip
