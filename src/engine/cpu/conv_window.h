#pragma once

#include "engine/cpu/window_slices.h"
#include "engine/ops/support.h"

namespace edgeclip::engine {

/// The window of a convolution, its steps as oneDNN wants them, and its slices for the threads.
struct ConvWindow {
  std::vector<WindowDim> dims;
  dnnl::memory::dims strides, dilations, before, after;
  std::vector<WindowSlice> slices;
};

/// For the request's x (N, C, spatial...) and w (M, C / group, kernel...), whose shapes fit.
inline ConvWindow conv_window(const Node& node, const BindRequest& request, const Shape& w) {
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  ConvWindow window;
  window.dims = window_of(node, x, Shape(w.begin() + 2, w.end()));
  for (const WindowDim& d : window.dims) {
    window.strides.push_back(d.stride);
    window.dilations.push_back(d.dilation - 1);
    window.before.push_back(d.before);
    // What is needed behind the last row follows from the output's size; negative: it is not reached.
    window.after.push_back(d.first(d.out - 1) + (d.kernel - 1) * d.dilation + 1 - d.in);
  }
  const std::int64_t macs = num_elements(y) * product(w, 1, w.size());
  window.slices =
      window_slices(window.dims, request, num_elements(x) + num_elements(y) + macs / kMacsOfElement);
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
