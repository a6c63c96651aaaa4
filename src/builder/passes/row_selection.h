#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "engine/graph/shape_inference.h"

namespace edgeclip::builder {

/// A node that picks one row of a value, the same for all samples (`row`) or a row for each (`rows`):
///   Gather(x, one constant index; axis) · Slice(x, one row) · GatherND(x (B, T, ...), rows (B, 1); batch_dims 1)
struct RowSelection {
  std::size_t node;         ///< its index
  engine::ValueId value;    ///< x
  std::size_t axis;         ///< of x; never its last
  std::optional<std::int64_t> row;
  engine::ValueId rows = engine::kNoValue;
  bool drops_axis;          ///< its output has no axis of one row

  bool per_sample() const { return !row; }
};

/// Nothing if the node is none, x is of one row, or not enough is known of the shapes.
std::optional<RowSelection> row_selection_of(const engine::Graph& graph, const engine::ShapeFacts& facts,
                                             std::size_t node);

/// Writes the nodes that pick the rows of a selection from other values, which keep the axis with one row.
class RowPicker {
 public:
  /// samples: dimension 0 of the selection's value.
  RowPicker(engine::Graph& graph, const engine::ShapeFacts& facts, const RowSelection& selection,
            const engine::SymbolicDim& samples)
      : graph_(graph), facts_(facts), selection_(selection), samples_(samples) {}

  /// Whether there is a cheap way: any axis for a row that is the same for all; else (B, 1..., T, ...) or
  /// (1..., T, ...), where all that lies before the rows is the sample or nothing.
  bool can_pick(engine::ValueId value, std::size_t axis) const;

  /// The value's rows along `axis`, for an operator that has them at `axis_of_output` of its output.
  engine::ValueId pick(engine::ValueId value, std::size_t axis, std::size_t axis_of_output);

  /// In the order in which they have to stand.
  std::vector<engine::Node> nodes;

 private:
  using SymbolicDim = engine::SymbolicDim;

  bool starts_with_samples(const engine::SymbolicShape& shape) const { return shape[0] == samples_; }
  engine::ValueId add(const char* op, int opset, std::vector<engine::ValueId> inputs,
                      std::map<std::string, engine::Attribute> attributes, const Shape& shape);
  engine::ValueId ints(const std::vector<std::int64_t>& values);
  /// The rows as indices of this shape, -1 for the samples.
  engine::ValueId indices(const Shape& shape);

  engine::Graph& graph_;
  const engine::ShapeFacts& facts_;
  const RowSelection& selection_;
  const SymbolicDim samples_;
  std::map<std::tuple<engine::ValueId, std::size_t, std::size_t>, engine::ValueId> made_;
  std::map<Shape, engine::ValueId> indices_;
  engine::ValueId from_ = engine::kNoValue;  ///< what is being picked from, for names and types
};

}  // namespace edgeclip::builder
