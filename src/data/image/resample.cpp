#include "data/image/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/nearest.h"

namespace edgeclip {

namespace {

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

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

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= 3.14159265358979323846;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*value)(double);
  double support;
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return {box, 0.5};
    case Filter::kBilinear:
      return {bilinear, 1.0};
    case Filter::kBicubic:
      return {bicubic, 2.0};
    case Filter::kLanczos:
      return {lanczos, 3.0};
    case Filter::kNearest:
      break;
  }
  EDGECLIP_CHECK(false, "no kernel");
}

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

constexpr std::int32_t kRounding = 1 << (kWeightBits - 1);

/// The input position of each output position [first, first + count): Pillow adds the step up, and so does
/// this.
std::vector<int> nearest_positions(int in, int out, int first, int count) {
  std::vector<int> positions;
  const double step = static_cast<double>(in) / out;
  double at = step * 0.5;
  for (int i = 0; i < first + count; ++i, at += step)
    if (i >= first) positions.push_back(std::clamp(static_cast<int>(at), 0, in - 1));
  return positions;
}

Image nearest_part(const Image& image, int full_width, int full_height, int left, int top, int width,
                   int height) {
  const auto columns = nearest_positions(image.width, full_width, left, width),
             rows = nearest_positions(image.height, full_height, top, height);
  Image out(width, height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* from = image.row(rows[static_cast<std::size_t>(y)]);
    std::uint8_t* to = out.row(y);
    for (const int x : columns) to = std::copy_n(from + 3 * x, 3, to);
  }
  return out;
}

constexpr std::array<std::pair<const char*, Filter>, 5> kFilters = {{{"nearest", Filter::kNearest},
                                                                     {"box", Filter::kBox},
                                                                     {"bilinear", Filter::kBilinear},
                                                                     {"bicubic", Filter::kBicubic},
                                                                     {"lanczos", Filter::kLanczos}}};

}  // namespace

Filter filter_named(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const auto& [known, filter] : kFilters) {
    if (name == known) return filter;
    names.emplace_back(known);
  }
  invalid_input("{}filter: \"{}\" is unknown{}", where, name, did_you_mean(name, names));
}

ResampleWeights resample_weights(int in, int out, int first, int count, Filter filter) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);  // the filter grows with the step: no aliasing
  const double support = kernel.support * filter_scale;
  ResampleWeights w;
  w.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  w.weights.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(w.taps));
  std::vector<double> row(static_cast<std::size_t>(w.taps));
  for (int i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const int start = std::max(0, static_cast<int>(center - support + 0.5));
    const int length = std::min(in, static_cast<int>(center + support + 0.5)) - start;
    double sum = 0.0;
    for (int k = 0; k < length; ++k)
      sum += row[static_cast<std::size_t>(k)] =
          kernel.value((k + start - center + 0.5) * (1.0 / filter_scale));
    std::int32_t* weights = w.weights.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(w.taps);
    for (int k = 0; k < length; ++k) {
      double weight = row[static_cast<std::size_t>(k)];
      if (sum != 0.0) weight /= sum;
      weights[k] = static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
    }
    w.start.push_back(start);
    w.length.push_back(length);
  }
  return w;
}

Image horizontal_pass_reference(const Image& image, const ResampleWeights& w, int first_row, int rows) {
  Image out(w.count(), rows);
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* in = image.row(first_row + y);
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < w.count(); ++x, to += 3) {
      const auto i = static_cast<std::size_t>(x);
      const std::uint8_t* from = in + 3 * static_cast<std::size_t>(w.start[i]);
      const std::int32_t* weights = w.weights.data() + i * static_cast<std::size_t>(w.taps);
      std::int32_t r = kRounding, g = r, b = r;
      for (int k = 0; k < w.length[i]; ++k, from += 3) {
        r += from[0] * weights[k];
        g += from[1] * weights[k];
        b += from[2] * weights[k];
      }
      to[0] = to_pixel(r);
      to[1] = to_pixel(g);
      to[2] = to_pixel(b);
    }
  }
  return out;
}

Image vertical_pass_reference(const Image& image, const ResampleWeights& w, int first_row) {
  Image out(image.width, w.count());
  const std::size_t values = static_cast<std::size_t>(image.width) * 3;
  std::vector<std::int32_t> sums(values);
  for (int y = 0; y < out.height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    std::fill(sums.begin(), sums.end(), kRounding);
    for (int k = 0; k < w.length[i]; ++k) {
      const std::uint8_t* from = image.row(w.start[i] - first_row + k);
      const std::int32_t weight =
          w.weights[i * static_cast<std::size_t>(w.taps) + static_cast<std::size_t>(k)];
      for (std::size_t x = 0; x < values; ++x) sums[x] += from[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), to_pixel);
  }
  return out;
}

Image resize_part(const Image& image, int full_width, int full_height, int left, int top, int width,
                  int height, Filter filter) {
  EDGECLIP_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "resize {} x {} to {} x {}",
                 image.width, image.height, full_width, full_height);
  if (filter == Filter::kNearest)
    return nearest_part(image, full_width, full_height, left, top, width, height);
  // A pass that changes nothing is skipped, as Pillow does; it would not alter a pixel.
  const bool horizontal = full_width != image.width || width != full_width;
  const bool vertical = full_height != image.height || height != full_height;
  ResampleWeights rows;
  int first = 0, last = image.height;
  if (vertical) {
    rows = resample_weights(image.height, full_height, top, height, filter);
    first = rows.start.front();
    last = rows.start.back() + rows.length.back();
  }
  if (!horizontal) return vertical ? vertical_pass(image, rows, 0) : image;
  Image wide = horizontal_pass(image, resample_weights(image.width, full_width, left, width, filter), first,
                               last - first);
  return vertical ? vertical_pass(wide, rows, first) : wide;
}

}  // namespace edgeclip
