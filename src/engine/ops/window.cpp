#include "engine/ops/window.h"

namespace edgeclip::engine {

std::vector<std::int64_t> window_attribute(const Node& node, const char* name, std::size_t count,
                                           std::int64_t lowest, std::int64_t otherwise) {
  auto values = node.ints_or(name, {});
  if (values.empty()) values.assign(count, otherwise);
  if (values.size() != count) refuse(node, "{} has {} values, not {}", name, values.size(), count);
  for (const auto v : values) {
    if (v < lowest)
      refuse(node, "{} of {}: they must {}", name, v, lowest > 0 ? "be positive" : "not be negative");
    if (v > kMostWindow) refuse(node, "{} of {}: output size overflows", name, v);
  }
  return values;
}

std::int64_t window_reach(const Node& node, std::int64_t kernel, std::int64_t dilation) {
  std::int64_t reach = 0;
  if (__builtin_mul_overflow(kernel - 1, dilation, &reach) || reach > kMostWindow)
    refuse(node, "dilations of {}: output size overflows", dilation);
  return reach + 1;
}

std::string auto_pad_of(const Node& node) {
  std::string auto_pad = node.string_or("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID" && auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
    unsupported(node, "auto_pad {} is not there", printable(auto_pad));
  return auto_pad;
}

void require_window(const Node& node, const Shape& input, const Shape& kernel) {
  if (input.size() < 3) refuse(node, "needs (N, C, spatial...), not {}", shape_string(input));
  const std::size_t rank = input.size() - 2;
  if (rank > 8) unsupported(node, "{} spatial dimensions: 8 are the most", rank);
  if (kernel.size() != rank)
    refuse(node, "a kernel of {} dimensions for {}", kernel.size(), shape_string(input));
  std::uint64_t plane = 0;
  if (!checked_num_elements(Shape(input.begin() + 2, input.end()), &plane))
    refuse(node, "input {}: its size overflows", shape_string(input));
  std::int64_t taps = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    if (input[d + 2] > kMostWindow) refuse(node, "input {}: its size overflows", shape_string(input));
    if (kernel[d] < 1) refuse(node, "a kernel of {}", shape_string(kernel));
    if (__builtin_mul_overflow(taps, kernel[d], &taps) || taps > kMostWindow)
      refuse(node, "a kernel of {}: its size overflows", shape_string(kernel));
  }
}

std::vector<WindowDim> window_of(const Node& node, const Shape& input, const Shape& kernel) {
  require_window(node, input, kernel);
  const std::size_t rank = kernel.size();
  const auto strides = window_attribute(node, "strides", rank, 1, 1),
             dilations = window_attribute(node, "dilations", rank, 1, 1),
             pads = window_attribute(node, "pads", 2 * rank, 0, 0);
  const std::string auto_pad = auto_pad_of(node);
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER", valid = auto_pad == "VALID";
  const bool ceil = node.int_or("ceil_mode", 0) != 0;

  std::vector<WindowDim> window(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    WindowDim& w = window[d];
    w.in = input[d + 2];
    w.kernel = kernel[d];
    w.stride = strides[d];
    w.dilation = dilations[d];
    const std::int64_t reach = window_reach(node, w.kernel, w.dilation);
    if (same) {
      w.out = (w.in + w.stride - 1) / w.stride;
      const std::int64_t total = std::max<std::int64_t>(0, (w.out - 1) * w.stride + reach - w.in);
      w.before = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.after = total - w.before;
      continue;
    }
    w.before = valid ? 0 : pads[d];
    w.after = valid ? 0 : pads[rank + d];
    const std::int64_t room = w.in + w.before + w.after - reach;
    if (room < 0)
      refuse(node, "its window of {} does not fit into {} with pads {} and {}", reach, w.in, w.before,
             w.after);
    w.out = (ceil ? (room + w.stride - 1) / w.stride : room / w.stride) + 1;
    if (ceil && (w.out - 1) * w.stride >= w.in + w.before)
      --w.out;  // a window that starts in the padding behind
  }
  return window;
}

}  // namespace edgeclip::engine
