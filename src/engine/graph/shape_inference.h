#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/graph/symbolic_inference.h"
#include "engine/graph/value_facts.h"

namespace edgeclip::engine {

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
/// inputs: a dimension that holds a symbol is -1.  Throws InvalidInput as ShapeFacts::refuse_if_wrong().
void annotate_shapes(Graph& graph);

/// What holds whatever the sizes of the dynamic dimensions are, as long as the graph runs with them.  Valid
/// for values that the graph had when it was made, of which each keeps its meaning.
class ShapeFacts {
 public:
  explicit ShapeFacts(const Graph& graph) : facts_(infer_symbolic(graph)) {}
  /// Whether two values always have the same shape; false when not known.
  bool same(ValueId a, ValueId b) const;
  /// -1 where it holds a symbol; nothing if not even the rank is known.
  std::optional<Shape> shape(ValueId id) const;
  std::optional<DType> dtype(ValueId id) const;
  /// What the dimensions are, in symbols; nothing if not even the rank is known.
  const std::optional<SymbolicShape>& symbolic(ValueId id) const;
  /// The value itself if it follows from constants and from dimensions that hold no symbol, and is small;
  /// nullptr otherwise.
  const Tensor* constant(ValueId id) const;
  /// Throws the InvalidInput of the node's rule if it refuses inputs that do not depend on any dynamic
  /// dimension: the node is wrong whatever the sizes are.
  void refuse_if_wrong(const Node& node) const;

 private:
  const SymbolicValue& value(ValueId id) const { return facts_.values.at(static_cast<std::size_t>(id)); }

  SymbolicFacts facts_;
};

}  // namespace edgeclip::engine
