#pragma once

#include <vector>

#include "engine/graph/graph.h"

/// Constants of real numbers, which rewrites compute with in double.
namespace edgeclip::builder {

/// The constant, if that is what the value is, and of float32 or float64; nullptr otherwise.
const Tensor* real_constant(const engine::Graph& graph, engine::ValueId id);
/// Its elements.
std::vector<double> reals_of(const Tensor& tensor);
/// float32 or float64, rounded once.
Tensor make_reals(DType dtype, Shape shape, const std::vector<double>& values);
/// One value for each of `count` places of dimension `axis`, as adding the constant to (or multiplying it
/// with) something of `rank` dimensions gives it without widening the shape: from (.., count, 1, ..), or from
/// a single element for all.  Empty if it is no such constant.
std::vector<double> values_along(const Tensor& tensor, std::size_t axis, std::int64_t count,
                                 std::size_t rank);

}  // namespace edgeclip::builder
