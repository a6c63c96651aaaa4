#pragma once

#include <vector>

#include "engine/ops/support.h"

namespace edgeclip::engine {

/// The sliding window of Conv and the pools along each spatial dimension.
struct WindowDim {
  std::int64_t kernel = 1, stride = 1, dilation = 1, before = 0, in = 0, out = 0;
};

/// Reads strides, dilations, pads, auto_pad (and ceil_mode) for input (N, C, spatial...) and this kernel
/// shape.  Throws InvalidInput for values that make no sense.
std::vector<WindowDim> window_of(const Node& node, const Shape& input, const Shape& kernel);

/// Calls visit(input_offset, kernel_index) for every kernel place that lies inside the input, for one output
/// place; offsets are within one (spatial...) plane.
template <class Visit>
void for_each_tap(const std::vector<WindowDim>& window, const Shape& input_strides,
                  const std::vector<std::int64_t>& place, Visit visit) {
  std::int64_t taps = 1;
  for (const auto& w : window) taps *= w.kernel;
  for (std::int64_t t = 0; t < taps; ++t) {
    std::int64_t rest = t, offset = 0;
    bool inside = true;
    for (std::size_t d = window.size(); d-- > 0;) {
      const WindowDim& w = window[d];
      const std::int64_t p = place[d] * w.stride - w.before + rest % w.kernel * w.dilation;
      rest /= w.kernel;
      inside = inside && p >= 0 && p < w.in;
      offset += p * input_strides[d];
    }
    if (inside) visit(offset, t);
  }
}

/// Steps to the next place in row-major order of the window's output.
inline void next_place(const std::vector<WindowDim>& window, std::vector<std::int64_t>& place) {
  for (std::size_t d = window.size(); d-- > 0;) {
    if (++place[d] < window[d].out) return;
    place[d] = 0;
  }
}

}  // namespace edgeclip::engine
