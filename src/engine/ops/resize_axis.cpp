#include "engine/ops/resize_axis.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/ops/interpolation.h"

namespace edgeclip::engine {

namespace {

/// The attribute, which must be one of the words.
template <std::size_t N>
std::string word_of(const Node& node, const char* attribute, const std::array<const char*, N>& words) {
  std::string word = node.string_or(attribute, words[0]);
  if (std::none_of(words.begin(), words.end(), [&](const char* w) { return word == w; }))
    unsupported(node, "{} {} is not there", attribute, printable(word));
  return word;
}

/// Where in the input output place i lies, as the specification of coordinate_transformation_mode has it.
double original_coordinate(const ResizeMode& mode, const ResizeAxis& axis, std::int64_t i) {
  const auto x = static_cast<double>(i), in = static_cast<double>(axis.in),
             out = static_cast<double>(axis.out);
  const double half_pixel = (x + 0.5) / axis.scale - 0.5;
  if (mode.coordinates == "half_pixel") return half_pixel;
  if (mode.coordinates == "half_pixel_symmetric")  // the centres stay together when the size was rounded
    return in / 2 * (1 - out / (axis.scale * in)) + half_pixel;
  if (mode.coordinates == "pytorch_half_pixel") return axis.out > 1 ? half_pixel : 0;
  // The length before rounding, as onnx's own tests have it (onnxruntime takes the rounded one).
  if (mode.coordinates == "align_corners") return axis.out > 1 ? x * (in - 1) / (in * axis.scale - 1) : 0;
  if (mode.coordinates == "asymmetric") return x / axis.scale;
  if (mode.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  const double begin = axis.roi_begin * (in - 1), length = (axis.roi_end - axis.roi_begin) * (in - 1);
  return axis.out > 1 ? begin + x * length / (out - 1) : begin + length / 2;
}

std::int64_t nearest_index(const ResizeMode& mode, const ResizeAxis& axis, double exact) {
  // Scales are float32: what should be 3 may be 2.9999999 here and is 3 again in float32.
  const auto x = static_cast<double>(static_cast<float>(exact));
  double at = x;
  if (mode.nearest == "round_prefer_floor")
    at = std::ceil(x - 0.5);
  else if (mode.nearest == "round_prefer_ceil")
    at = std::floor(x + 0.5);
  else if (mode.nearest == "ceil" || (mode.nearest == "simple" && axis.scale < 1))
    at = std::ceil(x);
  else
    at = std::floor(x);
  return static_cast<std::int64_t>(std::clamp(at, 0.0, static_cast<double>(axis.in - 1)));
}

/// Adds the taps around x.  Those outside repeat the edge, or are left out with exclude_outside.
void add_taps(const ResizeMode& mode, const ResizeAxis& axis, double x, std::vector<ResizeTap>& taps) {
  const bool cubic = mode.kernel == ResizeMode::Kernel::cubic;
  // antialias widens the kernel when pixels come closer
  const double stretch = mode.antialias ? std::min(axis.scale, 1.0) : 1;
  const double support = (cubic ? 2 : 1) / stretch;
  const auto first = static_cast<std::int64_t>(std::floor(x - support)) + 1,
             last = static_cast<std::int64_t>(std::ceil(x + support)) - 1;
  const std::size_t begin = taps.size();
  double sum = 0;
  for (std::int64_t k = first; k <= last; ++k) {
    const double distance = (static_cast<double>(k) - x) * stretch,
                 weight = cubic ? cubic_weight(distance, mode.cubic_a) : triangle_weight(distance);
    if (weight == 0 || (mode.exclude_outside && (k < 0 || k >= axis.in))) continue;
    sum += weight;
    taps.push_back({std::clamp<std::int64_t>(k, 0, axis.in - 1), weight});
  }
  if (mode.antialias || mode.exclude_outside)
    for (std::size_t t = begin; t < taps.size(); ++t) taps[t].weight /= sum;
}

}  // namespace

ResizeMode resize_mode(const Node& node) {
  ResizeMode mode;
  const bool modern = node.op == "Resize" && node.opset >= 11;
  const std::string kernel =
      word_of(node, "mode", std::array{"nearest", "linear", modern ? "cubic" : "linear"});
  mode.kernel = kernel == "nearest"  ? ResizeMode::Kernel::nearest
                : kernel == "linear" ? ResizeMode::Kernel::linear
                                     : ResizeMode::Kernel::cubic;
  if (!modern) {  // nothing to choose: as onnxruntime, whose results the models were made with
    mode.coordinates = "asymmetric";
    mode.nearest = "simple";
    return mode;
  }
  mode.coordinates =
      word_of(node, "coordinate_transformation_mode",
              std::array{"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                         "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"});
  mode.nearest =
      word_of(node, "nearest_mode", std::array{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  mode.cubic_a = static_cast<double>(node.float_or("cubic_coeff_a", -0.75F));
  mode.exclude_outside = node.int_or("exclude_outside", 0) != 0;
  mode.antialias = node.int_or("antialias", 0) != 0;
  return mode;
}

ResizeTaps resize_taps(const ResizeMode& mode, const ResizeAxis& axis) {
  ResizeTaps result;
  const bool copied = axis.in == axis.out && axis.scale == 1 && !mode.crops();
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const double x = original_coordinate(mode, axis, i);
    const bool seen = x >= 0 && x <= static_cast<double>(axis.in - 1);  // not NaN either
    if (copied) {
      result.taps.push_back({i, 1});
    } else if (!mode.crops() || seen) {
      if (mode.kernel == ResizeMode::Kernel::nearest)
        result.taps.push_back({nearest_index(mode, axis, x), 1});
      else
        add_taps(mode, axis, x, result.taps);
    }
    result.begin.push_back(result.taps.size());
  }
  return result;
}

}  // namespace edgeclip::engine
