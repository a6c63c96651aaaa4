#include <algorithm>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/support.h"

/// Shapes of operators that read shapes, make tensors from them, or give the same elements another shape.
namespace edgeclip::engine {

namespace {

/// What a dimension of -1 becomes: all elements over those of the other dimensions, `rest`.
SymbolicDim left_over(SymbolicShape from, SymbolicShape rest) {
  // None of the others is 0 (the rule refuses that), so equal ones cancel, whatever they are.
  for (auto dim = rest.begin(); dim != rest.end();) {
    const auto same = std::find(from.begin(), from.end(), *dim);
    if (same == from.end()) {
      ++dim;
      continue;
    }
    from.erase(same);
    dim = rest.erase(dim);
  }
  return floor_div(product_of(from), product_of(rest));
}

}  // namespace

/// A number in the shape that is computed from sizes counts as a size; that 0 is another word for the input's
/// dimension only matters for values without elements.
void shape_reshape(SymbolicNode& n) {
  const auto wanted = n.ints("shape", 1, {});
  if (!wanted || wanted->size() > kMostDims) return;
  const SymbolicShape& from = n.dims(0);
  SymbolicShape to = *wanted, rest;
  std::vector<std::size_t> open;  // -1, or not known to be a size
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && n.node.int_or("allowzero", 0) == 0) {
      if (i >= from.size()) return;
      to[i] = from[i];
    } else if (!surely_at_least(to[i], 0)) {
      to[i] = SymbolicDim::unknown();
      open.push_back(i);
      continue;
    }
    rest.push_back(to[i]);
  }
  if (open.size() == 1) to[open[0]] = left_over(from, rest);
  n.give(0, std::move(to));
}

void shape_flatten(SymbolicNode& n) {
  const SymbolicShape& from = n.dims(0);
  const auto rank = static_cast<std::int64_t>(from.size());
  std::int64_t axis = n.node.int_or("axis", 1);
  if (axis < -rank || axis > rank) return;
  const auto middle = from.begin() + (axis < 0 ? axis + rank : axis);
  n.give(0, {product_of({from.begin(), middle}), product_of({middle, from.end()})});
}

void shape_squeeze(SymbolicNode& n) {
  const SymbolicShape& from = n.dims(0);
  const auto axes = n.constants("axes", 1, {});
  if (!axes) return;
  const bool all = !n.node.has("axes") && !n.has(1);
  const auto normalized = normalize_axes(n.node, *axes, from.size());
  SymbolicShape to;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool one = from[i].constant() == 1;
    if (all && !one && !from[i].constant() && from[i].at_least() < 2) return;  // 1 or not?
    const bool named = std::find(normalized.begin(), normalized.end(), i) != normalized.end();
    if (!named && !(all && one)) to.push_back(from[i]);
  }
  n.give(0, std::move(to));
}

void shape_unsqueeze(SymbolicNode& n) {
  const auto axes = n.constants("axes", 1, {});
  if (!axes) return;
  const SymbolicShape& from = n.dims(0);
  SymbolicShape to(from.size() + axes->size(), SymbolicDim::unknown());
  for (const std::size_t a : normalize_axes(n.node, *axes, to.size())) to[a] = 1;
  auto next = from.begin();
  for (SymbolicDim& dim : to)
    if (dim.is_unknown()) dim = next == from.end() ? dim : *next++;
  n.give(0, std::move(to));
}

void shape_shape(SymbolicNode& n) {
  const auto rank = static_cast<std::int64_t>(n.rank(0));
  const auto clamp = [&](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  n.give(0,
         {std::max<std::int64_t>(0, clamp(n.node.int_or("end", rank)) - clamp(n.node.int_or("start", 0)))});
}

void shape_scalar(SymbolicNode& n) { n.give(0, {}); }

void shape_constant_of_shape(SymbolicNode& n) {
  const auto shape = n.ints("", 0, {});
  if (shape && shape->size() <= kMostDims) n.give(0, *shape);
}

void shape_range(SymbolicNode& n) {
  const auto start = n.ints("", 0, {}), limit = n.ints("", 1, {}), delta = n.ints("", 2, {});
  SymbolicDim count = SymbolicDim::unknown();
  if (start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1) {
    const auto step = (*delta)[0].constant();
    if (step && *step != 0 && *step > -kSmallValue)
      count = max_of(0, *step > 0 ? ceil_div((*limit)[0] - (*start)[0], *step)
                                  : ceil_div((*start)[0] - (*limit)[0], -*step));
  }
  n.give(0, {count});
}

void shape_expand(SymbolicNode& n) {
  const auto wanted = n.ints("", 1, {});
  if (!wanted || wanted->size() > kMostDims) return;
  SymbolicShape to = *wanted;
  const SymbolicShape& from = n.dims(0);
  if (from.size() > to.size()) to.insert(to.begin(), from.size() - to.size(), 1);
  for (std::size_t d = 0; d < from.size(); ++d) {
    SymbolicDim& dim = to[to.size() - from.size() + d];
    dim = broadcast_of(from[d], dim);
  }
  n.give(0, std::move(to));
}

void shape_tile(SymbolicNode& n) {
  const auto repeats = n.ints("", 1, {});
  if (!repeats || repeats->size() != n.rank(0)) return;
  SymbolicShape to = n.dims(0);
  for (std::size_t d = 0; d < to.size(); ++d) to[d] = to[d] * (*repeats)[d];
  n.give(0, std::move(to));
}

}  // namespace edgeclip::engine
