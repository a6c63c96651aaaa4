#include "engine/ops/window.h"

namespace edgeclip::engine {

std::vector<WindowDim> window_of(const Node& node, const Shape& input, const Shape& kernel) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // sums of a few such values cannot overflow
  if (input.size() < 3) refuse(node, "needs (N, C, spatial...), not {}", shape_string(input));
  const std::size_t rank = input.size() - 2;
  if (kernel.size() != rank)
    refuse(node, "a kernel of {} dimensions for {}", kernel.size(), shape_string(input));
  const auto per_dim = [&](const char* name, std::size_t count, std::int64_t otherwise) {
    auto values = node.ints_or(name, {});
    if (values.empty()) values.assign(count, otherwise);
    if (values.size() != count) refuse(node, "{} has {} values, not {}", name, values.size(), count);
    for (const auto v : values)
      if (v > kMost || v < -kMost) refuse(node, "{} of {}: output size overflows", name, v);
    return values;
  };
  const auto strides = per_dim("strides", rank, 1), dilations = per_dim("dilations", rank, 1),
             pads = per_dim("pads", 2 * rank, 0);
  const std::string auto_pad = node.string_or("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID")
    unsupported(node, "auto_pad {} is not there", printable(auto_pad));
  const bool ceil = node.int_or("ceil_mode", 0) != 0;

  std::vector<WindowDim> window(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    WindowDim& w = window[d];
    w.in = input[d + 2];
    w.kernel = kernel[d];
    w.stride = strides[d];
    w.dilation = dilations[d];
    if (w.stride < 1) refuse(node, "a stride of {}: it must be positive", w.stride);
    if (w.dilation < 1) refuse(node, "a dilation of {}: it must be positive", w.dilation);
    if (w.kernel < 1 || w.kernel > kMost) refuse(node, "a kernel of {}", w.kernel);
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(w.kernel - 1, w.dilation, &reach) || reach > kMost)
      refuse(node, "a dilation of {}: output size overflows", w.dilation);
    reach += 1;
    if (same) {
      w.out = (w.in + w.stride - 1) / w.stride;
      const std::int64_t total = std::max<std::int64_t>(0, (w.out - 1) * w.stride + reach - w.in);
      w.before = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      continue;
    }
    const bool valid = auto_pad == "VALID";
    const std::int64_t before = valid ? 0 : pads[d], after = valid ? 0 : pads[rank + d];
    if (before < 0 || after < 0) refuse(node, "pads of {} and {}: they must not be negative", before, after);
    w.before = before;
    const std::int64_t room = w.in + before + after - reach;
    if (room < 0)
      refuse(node, "its window of {} does not fit into {} with pads {} and {}", reach, w.in, before, after);
    w.out = (ceil ? (room + w.stride - 1) / w.stride : room / w.stride) + 1;
    if (ceil && (w.out - 1) * w.stride >= w.in + before)
      --w.out;  // a window that starts in the padding behind
  }
  return window;
}

}  // namespace edgeclip::engine
