#pragma once

#include <vector>

#include "engine/graph/graph.h"
#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// One node on known data: its shape rule, then its reference kernel.  One tensor per output (undefined for
/// one that is left out).  Throws InvalidInput if the inputs do not fit.
std::vector<Tensor> evaluate_node(const Node& node, const Inputs& inputs);

/// Runs a graph node by node with the reference kernels: slow, readable, the oracle of everything fast.
/// inputs and the result are in the graph's order.  Throws InvalidInput (which node, why).
std::vector<Tensor> run_reference(const Graph& graph, const std::vector<TensorView>& inputs);

/// Fills the context by the node's rule and CHECKs that every output got a type and a shape.
void infer_node(ShapeContext& context);

}  // namespace edgeclip::engine
