#include <algorithm>
#include <numeric>

#include "engine/graph/symbolic_rules.h"
#include "engine/ops/support.h"

/// Shapes of operators that move elements, and that look them up.
namespace edgeclip::engine {

namespace {

/// No dimension is larger (add_output() of ops/support.h refuses it): an end of it is the end.
constexpr std::int64_t kMost = std::int64_t{1} << 40;

/// Where a start or end of a Slice with a positive step lies in a dimension of n.
SymbolicDim clamped(const SymbolicDim& place, const SymbolicDim& n) {
  const auto constant = place.constant();
  if (constant && *constant >= kMost) return n;
  if (constant && *constant <= -kMost) return 0;
  if (surely_at_least(place, 0)) return min_of(place, n);
  if (surely_at_least(-1, place)) return max_of(n + place, 0);
  return SymbolicDim::unknown();
}

/// How many elements the range has.
SymbolicDim slice_count(const SymbolicDim& start, const SymbolicDim& end, const SymbolicDim& step,
                        const SymbolicDim& n) {
  const auto by = step.constant();
  if (!by) return SymbolicDim::unknown();
  if (*by > 0) return max_of(ceil_div(clamped(end, n) - clamped(start, n), *by), 0);
  const auto first = start.constant(), last = end.constant();  // reversed as a whole
  if (*by == -1 && first && last && (*first >= kMost || *first == -1) && *last < -kMost) return n;
  return SymbolicDim::unknown();
}

}  // namespace

void shape_transpose(SymbolicNode& n) {
  const SymbolicShape& from = n.dims(0);
  auto perm = n.node.ints_or("perm", {});
  if (!n.node.has("perm"))
    for (std::size_t i = from.size(); i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
  if (perm.size() != from.size()) return;
  SymbolicShape to;
  for (const std::size_t p : normalize_axes(n.node, perm, from.size())) to.push_back(from[p]);
  n.give(0, std::move(to));
}

void shape_concat(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", 1), shape.size());
  for (std::size_t i = 1; i < n.inputs.size(); ++i) {
    const SymbolicShape& other = n.dims(i);
    if (other.size() != shape.size()) return;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (d == axis)
        shape[d] = shape[d] + other[d];
      else if (other[d].constant() || shape[d].is_unknown())  // they are all equal
        shape[d] = other[d];
    }
  }
  n.give(0, std::move(shape));
}

void shape_split(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", 0), shape.size());
  const SymbolicDim whole = shape[axis];
  const auto parts = static_cast<std::int64_t>(n.outputs.size());
  auto sizes = n.ints("split", 1, {});
  if (!sizes || sizes->empty()) {
    sizes.emplace();
    // Without num_outputs they are equal parts; with it the last ones may be smaller, down to nothing.
    const bool equal = !n.node.has("num_outputs") && !n.has(1);
    const SymbolicDim each = equal ? floor_div(whole, parts) : ceil_div(whole, parts);
    for (std::int64_t i = 0; i < parts; ++i)
      sizes->push_back(equal ? each : max_of(0, min_of(each, whole - each * i)));
  }
  for (std::size_t i = 0; i < n.outputs.size(); ++i) {
    shape[axis] = i < sizes->size() ? (*sizes)[i] : SymbolicDim::unknown();
    n.give(i, shape);
  }
}

void shape_slice(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const auto starts = n.ints("starts", 1, {}), ends = n.ints("ends", 2, {}), steps = n.ints("steps", 4, {});
  auto axes = n.constants("axes", 3, {});
  if (!starts || !ends || !steps || !axes || starts->size() != ends->size()) {
    for (SymbolicDim& dim : shape) dim = SymbolicDim::unknown();
    return n.give(0, std::move(shape));
  }
  if (axes->empty()) {
    axes->resize(starts->size());
    std::iota(axes->begin(), axes->end(), 0);
  }
  if (axes->size() != starts->size() || (!steps->empty() && steps->size() != starts->size())) return;
  const auto normalized = normalize_axes(n.node, *axes, shape.size());
  for (std::size_t i = 0; i < normalized.size(); ++i) {
    SymbolicDim& dim = shape[normalized[i]];
    dim = slice_count((*starts)[i], (*ends)[i], steps->empty() ? SymbolicDim(1) : (*steps)[i], dim);
  }
  n.give(0, std::move(shape));
}

void shape_pad(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const auto pads = n.ints("pads", 1, {});
  const auto axes = n.constants("", 3, {});
  if (!pads || !axes) {
    for (SymbolicDim& dim : shape) dim = SymbolicDim::unknown();
    return n.give(0, std::move(shape));
  }
  auto where = normalize_axes(n.node, *axes, shape.size());
  if (axes->empty())
    for (std::size_t d = 0; d < shape.size(); ++d) where.push_back(d);
  if (pads->size() != 2 * where.size()) return;
  for (std::size_t i = 0; i < where.size(); ++i)
    shape[where[i]] = shape[where[i]] + (*pads)[i] + (*pads)[where.size() + i];
  n.give(0, std::move(shape));
}

void shape_gather(SymbolicNode& n) {
  const SymbolicShape &data = n.dims(0), &indices = n.dims(1);
  const auto axis =
      static_cast<std::ptrdiff_t>(normalize_axis(n.node, n.node.int_or("axis", 0), data.size()));
  SymbolicShape shape(data.begin(), data.begin() + axis);
  shape.insert(shape.end(), indices.begin(), indices.end());
  shape.insert(shape.end(), data.begin() + axis + 1, data.end());
  n.give(0, std::move(shape));
}

void shape_quant_gather(SymbolicNode& n) {
  const SymbolicShape& table = n.dims(0);
  SymbolicShape shape = n.dims(2);
  if (table.size() != 2) return;
  shape.push_back(table[1]);
  n.give(0, std::move(shape));
}

void shape_gather_elements(SymbolicNode& n) { n.give(0, n.dims(1)); }

void shape_gather_nd(SymbolicNode& n) {
  const SymbolicShape &data = n.dims(0), &indices = n.dims(1);
  const std::int64_t batch = n.node.int_or("batch_dims", 0);
  const auto picks = indices.empty() ? std::nullopt : indices.back().constant();
  const auto rank = static_cast<std::int64_t>(data.size());
  if (!picks || *picks < 1 || batch < 0 || batch > rank || *picks > rank - batch) return;
  SymbolicShape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch + *picks, data.end());
  n.give(0, std::move(shape));
}

void shape_one_hot(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", -1), shape.size() + 1);
  const auto depth = n.ints("", 1, {});
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis),
               depth && depth->size() == 1 ? (*depth)[0] : SymbolicDim::unknown());
  n.give(0, std::move(shape));
}

void shape_topk(SymbolicNode& n) {
  SymbolicShape shape = n.dims(0);
  const std::size_t axis = normalize_axis(n.node, n.node.int_or("axis", -1), shape.size());
  if (n.node.opset < 10) {
    shape[axis] = n.node.int_or("k", 0);
  } else {
    const auto k = n.ints("", 1, {});
    shape[axis] = k && k->size() == 1 ? (*k)[0] : SymbolicDim::unknown();
  }
  n.give(0, shape);
  n.give(1, std::move(shape));
}

void shape_depth_to_space(SymbolicNode& n) {
  const SymbolicShape& x = n.dims(0);
  const std::int64_t block = n.node.int_or("blocksize", 1);
  if (x.size() != 4 || block < 1 || block > (1 << 20)) return;
  n.give(0, {x[0], floor_div(x[1], block * block), x[2] * block, x[3] * block});
}

void shape_space_to_depth(SymbolicNode& n) {
  const SymbolicShape& x = n.dims(0);
  const std::int64_t block = n.node.int_or("blocksize", 1);
  if (x.size() != 4 || block < 1 || block > (1 << 20)) return;
  n.give(0, {x[0], x[1] * (block * block), floor_div(x[2], block), floor_div(x[3], block)});
}

}  // namespace edgeclip::engine
