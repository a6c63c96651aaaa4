#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/graph/shape_inference.h"

namespace edgeclip::builder {

/// How an operator that computes rows by themselves reads its inputs: entry i is the axis of input i along
/// which the rows lie that give the same rows of the outputs, kWhole where all of the input is read whatever
/// rows are wanted (weights, keys and values, what is broadcast along the rows, inputs that are left out).
struct RowsOfInputs {
  static constexpr std::ptrdiff_t kWhole = -1;
  std::vector<std::ptrdiff_t> axes;  ///< counted from the front, parallel to the node's inputs
};

/// Whether rows of the node's outputs along `axis` (of output 0, counted from the front; other outputs lie
/// alike) follow from rows of its inputs, and which.  A row is what lies behind the axis: never along the last
/// one.  Nothing for operators that do not work so, or of which that cannot be told.
///   batch_first  also that what stands at a place of dimension 0 of an output comes from that place of
///                dimension 0 of every input with such an axis, so that samples may want different rows
std::optional<RowsOfInputs> rows_through(const engine::Graph& graph, const engine::ShapeFacts& facts,
                                         const engine::Node& node, std::size_t axis, bool batch_first);

/// Operators that give the same elements another shape: Reshape, Flatten, Squeeze, Unsqueeze.
bool is_view(const engine::Node& node);

}  // namespace edgeclip::builder
