#pragma once

#include <cstdint>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// What Slice takes of one dimension: start, start + step, ..., count of them.
struct SliceRange {
  std::int64_t start = 0, count = 0, step = 1;
};

/// Ranges per dimension; starts and ends count from the back where negative and are clamped, as in NumPy.
/// axes and steps may be empty.  Throws InvalidInput.
std::vector<SliceRange> slice_ranges(const Node& node, const Shape& shape,
                                     const std::vector<std::int64_t>& starts,
                                     const std::vector<std::int64_t>& ends, std::vector<std::int64_t> axes,
                                     std::vector<std::int64_t> steps);

}  // namespace edgeclip::engine
