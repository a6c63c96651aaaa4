#pragma once

#include <optional>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// What is known of one value once the shapes of the graph's inputs are.
struct ValueFacts {
  bool known = false;  ///< type and shape are known
  DType dtype = DType::f32;
  Shape shape;
  std::optional<Tensor> data;  ///< constants, and small values computed from constants and shapes alone
};

/// Runs every node's shape rule, in order, for these shapes of the graph's inputs; values that follow from
/// shapes alone (Shape, what Gather and Concat make of it, ...) are computed with the reference kernels.  One
/// entry per value. Throws InvalidInput (node, operator, reason) if a shape does not fit.
///
/// input_data: in the graph's order, what is known of the inputs' data besides their shapes (empty: nothing),
/// for graphs in which an input says how large something becomes.  Throws DependsOnData (ops/support.h) if
/// that is what is missing.
std::vector<ValueFacts> infer_shapes(const Graph& graph, const std::vector<Shape>& input_shapes,
                                     const std::vector<std::optional<Tensor>>& input_data = {});

/// Type and shape of every value as far as they do not depend on the dynamic dimensions of the graph's
/// inputs, found by running the rules for three different sizes of each dynamic dimension: what differs is
/// -1.  With no dynamic dimension at all a shape that does not fit is an InvalidInput; otherwise such values
/// stay unknown.
void annotate_shapes(Graph& graph);

/// What holds of shapes whatever the sizes of the dynamic dimensions are: three sets of them are tried, small
/// and different for each dimension.
class ShapeFacts {
 public:
  explicit ShapeFacts(const Graph& graph);
  /// Whether two values always have the same shape; false when not known.
  bool same(ValueId a, ValueId b) const;
  /// As in annotate_shapes(): -1 where it varies; nothing if not known.
  std::optional<Shape> shape(ValueId id) const;
  std::optional<DType> dtype(ValueId id) const;
  /// Throws the InvalidInput of the node's rule if it refuses inputs that do not depend on any dynamic
  /// dimension: the node is wrong whatever the sizes are.
  void refuse_if_wrong(const Node& node) const;

 private:
  bool surely_wrong(const Node& node) const;

  std::vector<std::vector<ValueFacts>> probes_;
};

}  // namespace edgeclip::engine
