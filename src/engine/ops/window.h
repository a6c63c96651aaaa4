#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/support.h"

namespace edgeclip::engine {

/// The sliding window of Conv and the pools along each spatial dimension.
struct WindowDim {
  std::int64_t kernel = 1, stride = 1, dilation = 1, before = 0, after = 0, in = 0, out = 0;

  /// Where the window for this output place starts; negative in the padding.
  std::int64_t first(std::int64_t place) const { return place * stride - before; }
  /// The kernel indices [from, to) of that window whose places are in [begin, end).
  std::pair<std::int64_t, std::int64_t> taps_within(std::int64_t place, std::int64_t begin,
                                                    std::int64_t end) const {
    const std::int64_t start = first(place);
    const std::int64_t from = start >= begin ? 0 : (begin - start + dilation - 1) / dilation,
                       to = start >= end ? 0 : (end - 1 - start) / dilation + 1;
    return {std::min(from, kernel), std::clamp(to, std::min(from, kernel), kernel)};
  }
};

/// Sizes beyond it are refused, so that sums of a few of them fit in 64 bits.
inline constexpr std::int64_t kMostWindow = std::int64_t{1} << 40;

/// The attribute `name` of `count` values in [lowest, kMostWindow], or `otherwise` for each of them.  Throws
/// InvalidInput.
std::vector<std::int64_t> window_attribute(const Node& node, const char* name, std::size_t count,
                                           std::int64_t lowest, std::int64_t otherwise);
/// How far a dilated kernel reaches: (kernel - 1) * dilation + 1.  Throws InvalidInput.
std::int64_t window_reach(const Node& node, std::int64_t kernel, std::int64_t dilation);
/// "NOTSET", "VALID", "SAME_UPPER" or "SAME_LOWER".
std::string auto_pad_of(const Node& node);
/// (N, C, spatial...) and a kernel of as many spatial dimensions, each of at least 1.  Throws InvalidInput
/// where they are not, or where a size or their product overflows.
void require_window(const Node& node, const Shape& input, const Shape& kernel);

/// Reads strides, dilations, pads, auto_pad (and ceil_mode) for input (N, C, spatial...) and this kernel
/// shape.  Throws InvalidInput for values that make no sense.  Sums of a few numbers of a WindowDim, and the
/// product of all kernel sizes, fit in 64 bits.
std::vector<WindowDim> window_of(const Node& node, const Shape& input, const Shape& kernel);

/// Calls visit(input_offset, kernel_index) for every kernel place that lies inside the input, for one output
/// place; offsets are within one (spatial...) plane.  (d, offset and index: how far the recursion over the
/// dimensions is.)
template <class Visit>
void for_each_tap(const std::vector<WindowDim>& window, const Shape& input_strides,
                  const std::vector<std::int64_t>& place, Visit&& visit, std::size_t d = 0,
                  std::int64_t offset = 0, std::int64_t index = 0) {
  if (d == window.size()) {
    visit(offset, index);
    return;
  }
  const WindowDim& w = window[d];
  const auto [from, to] = w.taps_within(place[d], 0, w.in);
  for (std::int64_t k = from; k < to; ++k)
    for_each_tap(window, input_strides, place, visit, d + 1,
                 offset + (w.first(place[d]) + k * w.dilation) * input_strides[d], index * w.kernel + k);
}

/// Steps to the next place in row-major order of the window's output.
inline void next_place(const std::vector<WindowDim>& window, std::vector<std::int64_t>& place) {
  for (std::size_t d = window.size(); d-- > 0;) {
    if (++place[d] < window[d].out) return;
    place[d] = 0;
  }
}

}  // namespace edgeclip::engine
