#pragma once

#include "engine/cpu/onednn.h"
#include "engine/ops/window.h"

namespace edgeclip::engine {

/// The window of a convolution as oneDNN wants it.
struct ConvWindow {
  dnnl::memory::dims strides, dilations, before, after;
};

/// For x (N, C, spatial...) and w (M, C / group, kernel...), whose shapes fit.
inline ConvWindow conv_window(const Node& node, const Shape& x, const Shape& w) {
  ConvWindow window;
  for (const WindowDim& d : window_of(node, x, Shape(w.begin() + 2, w.end()))) {
    window.strides.push_back(d.stride);
    window.dilations.push_back(d.dilation - 1);
    window.before.push_back(d.before);
    // What is needed behind the last row follows from the output's size; negative: it is not reached.
    window.after.push_back((d.out - 1) * d.stride + (d.kernel - 1) * d.dilation + 1 - d.in - d.before);
  }
  return window;
}

/// w (M, C / group, kernel...) as (group, M / group, C / group, kernel...) where there are several groups.
inline dnnl::memory::dims conv_weight_dims(const Node& node, const Shape& w) {
  const std::int64_t groups = node.int_or("group", 1);
  dnnl::memory::dims dims = w;
  if (groups > 1) {
    dims[0] /= groups;
    dims.insert(dims.begin(), groups);
  }
  return dims;
}

}  // namespace edgeclip::engine
