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

/// Facts of a node's outputs from those of its inputs (nullptr where left out), all of them known: by its
/// shape rule, and by its reference kernel if the outputs follow from constants and shapes alone and are
/// small. Throws InvalidInput if the rule or the kernel refuses, DependsOnData (ops/support.h) if the rule
/// lacks data.
std::vector<ValueFacts> infer_node_values(const Node& node, const std::vector<const ValueFacts*>& inputs);

}  // namespace edgeclip::engine
