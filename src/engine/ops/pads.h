#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/ops/support.h"

/// What Pad adds to a dimension.
namespace edgeclip::engine {

/// Elements to add before and after each dimension; negative ones cut.
struct Pads {
  std::vector<std::int64_t> before, after;
};

enum class PadMode { constant, edge, reflect, wrap };

inline PadMode pad_mode(const Node& node) {
  const std::string mode = node.string_or("mode", "constant");
  if (mode == "constant") return PadMode::constant;
  if (mode == "edge") return PadMode::edge;
  if (mode == "reflect") return PadMode::reflect;
  // of opset 19; onnxruntime reads it in older models too
  if (mode == "wrap" && node.opset >= 11) return PadMode::wrap;
  unsupported(node, "mode {} is not there", printable(mode));
}

inline Pads pads_of(const Node& node, std::size_t rank, const std::vector<std::int64_t>& pads,
                    const std::vector<std::int64_t>& axes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // sums with a dimension cannot overflow
  std::vector<std::size_t> where = normalize_axes(node, axes, rank);
  if (axes.empty())
    for (std::size_t d = 0; d < rank; ++d) where.push_back(d);
  if (pads.size() != 2 * where.size()) refuse(node, "{} pads for {} dimensions", pads.size(), where.size());
  for (const auto p : pads)
    if (p > kMost || p < -kMost) refuse(node, "pads of {}: output size overflows", p);
  Pads result{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0)};
  for (std::size_t i = 0; i < where.size(); ++i) {
    result.before[where[i]] = pads[i];
    result.after[where[i]] = pads[where.size() + i];
  }
  return result;
}

/// Where the element at p of a dimension comes from (p < 0: before its first one); -1: the constant.
/// Negative pads cut first: what is padded with lies in [begin, end).
inline std::int64_t padded_from(PadMode mode, std::int64_t p, std::int64_t begin, std::int64_t end) {
  if (p >= begin && p < end) return p;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::edge) return p < begin ? begin : end - 1;
  // reflect leaves the edges single: 0 1 2 | 1 0 1 2 ...
  const std::int64_t n = end - begin;
  const std::int64_t period = mode == PadMode::wrap ? n : std::max<std::int64_t>(1, 2 * (n - 1));
  const std::int64_t k = ((p - begin) % period + period) % period;
  return begin + (k < n ? k : period - k);
}

}  // namespace edgeclip::engine
