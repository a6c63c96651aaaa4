#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/ops/operator.h"
#include "kernels/executor.h"

namespace edgeclip::engine {

/// Where the elements of output 0 come from, if each of its dimensions says it by itself: the element at
/// (i, j, ...) is that of input 0 at from[0][i] + from[1][j] + ..., in elements.
struct AxisMap {
  /// By dimension, in the order that the output lies in memory; kFill in one of them makes the element the
  /// fill.
  std::vector<std::vector<std::int64_t>> from;
  static constexpr std::int64_t kFill = -1;
};

/// Moves elements of `dtype`.  fill_input: the input that holds the fill; none, or left out: `fill`, of which
/// the first bytes are taken.
std::unique_ptr<Kernel> make_axis_map(kernels::Executor& executor, AxisMap map, DType dtype,
                                      std::optional<std::size_t> fill_input = {}, std::uint64_t fill = 0);

}  // namespace edgeclip::engine
