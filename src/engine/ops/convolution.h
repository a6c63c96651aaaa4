#pragma once

#include <vector>

#include "engine/ops/window.h"

/// What Conv and its kin share: x (N, C, spatial...), w (M, C / group, kernel...), b (M): y (N, M,
/// spatial...).
namespace edgeclip::engine {

/// (kernel...).  Throws InvalidInput if the attribute says something else than the weights.
Shape conv_kernel_shape(const Node& node, const Shape& w);
/// y's.  Throws InvalidInput where x and w do not fit.
Shape conv_shape(const Node& node, const Shape& x, const Shape& w);
/// Input i, if given, is (filters) of this type.  Throws InvalidInput.
void require_filter_bias(const ShapeContext& context, std::size_t i, DType dtype, std::int64_t filters);

/// Every element of y, in row-major order: a sum as W, of which finish(filter, sum) makes the element; x and
/// w have their zero points taken off by value_x(element) and value_w(filter, element).
template <class W, class X, class Weight, class Y, class ValueX, class ValueW, class Finish>
void convolve(const Node& node, const Shape& xs, const X* all_x, const Shape& ws, const Weight* all_w,
              const Shape& ys, Y* y, ValueX value_x, ValueW value_w, Finish finish) {
  if (num_elements(ys) == 0) return;
  const auto window = window_of(node, xs, conv_kernel_shape(node, ws));
  const Shape spatial(xs.begin() + 2, xs.end()), strides = strides_of(spatial);
  const std::int64_t groups = node.int_or("group", 1), channels = ws[1], filters = ws[0] / groups;
  const std::int64_t in_plane = num_elements(spatial), out_plane = product(ys, 2, ys.size()),
                     taps = product(ws, 2, ws.size());
  for (std::int64_t n = 0; n < xs[0]; ++n) {
    for (std::int64_t m = 0; m < ws[0]; ++m) {
      const X* x = all_x + (n * xs[1] + m / filters * channels) * in_plane;
      const Weight* w = all_w + m * channels * taps;
      std::vector<std::int64_t> place(window.size(), 0);
      for (std::int64_t o = 0; o < out_plane; ++o, next_place(window, place)) {
        W sum = 0;
        for_each_tap(window, strides, place, [&](std::int64_t offset, std::int64_t tap) {
          for (std::int64_t c = 0; c < channels; ++c)
            sum += value_x(x[c * in_plane + offset]) * value_w(m, w[c * taps + tap]);
        });
        *y++ = finish(m, sum);
      }
    }
  }
}

}  // namespace edgeclip::engine
