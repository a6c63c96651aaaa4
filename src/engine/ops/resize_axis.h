#pragma once

#include <string>
#include <vector>

#include "engine/ops/support.h"

/// Resize along one dimension.
namespace edgeclip::engine {

/// How Resize and Upsample interpolate: their attributes, and what their older versions do without them.
struct ResizeMode {
  enum class Kernel { nearest, linear, cubic } kernel = Kernel::nearest;
  std::string coordinates = "half_pixel";      ///< coordinate_transformation_mode
  std::string nearest = "round_prefer_floor";  ///< nearest_mode; "simple" before opset 11
  double cubic_a = -0.75;
  bool exclude_outside = false, antialias = false;
  bool crops() const { return coordinates == "tf_crop_and_resize"; }
};

/// Throws InvalidInput for modes that there are not.
ResizeMode resize_mode(const Node& node);

struct ResizeAxis {
  std::int64_t in = 0, out = 0;
  double scale = 1;                   ///< out / in before rounding
  double roi_begin = 0, roi_end = 1;  ///< of in - 1, with tf_crop_and_resize
};

/// All dimensions of input 0, as the node's attributes and inputs have them.  Throws InvalidInput for what does
/// not fit, DependsOnData where scales or sizes are not known yet.
std::vector<ResizeAxis> resize_axes(const Node& node, const Inputs& inputs);

struct ResizeTap {
  std::int64_t index = 0;  ///< in [0, in)
  double weight = 0;
};

/// What output place i reads: taps[begin[i]] to taps[begin[i + 1]].  None: it is outside of the region that
/// tf_crop_and_resize sees.
struct ResizeTaps {
  std::vector<std::size_t> begin{0};
  std::vector<ResizeTap> taps;
};

/// in and out must be positive.  Takes memory for O(in + out) taps, as scale is at least about 1 / (2 in).
ResizeTaps resize_taps(const ResizeMode& mode, const ResizeAxis& axis);

}  // namespace edgeclip::engine
