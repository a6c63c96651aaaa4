#pragma once

#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/plan/plan_shapes.h"

namespace edgeclip::builder {

/// The shapes that a model is built for, of every input in the graph's order.
///   given: "NAME=MIN:OPT:MAX" or "NAME=SHAPE" (min = opt = max), shapes as 1x3x224x224; inputs without
///          dynamic dimensions need none
///   model: the file, for messages
/// Throws InvalidInput for what cannot be read, an input that the model does not have, a static dimension
/// that differs, sizes of 0, min > opt > max, an input with dynamic dimensions that is left out, and sizes of
/// one symbolic dimension that differ between inputs.
engine::GraphShapes input_shapes(const engine::Graph& graph, const std::vector<std::string>& given,
                                 const std::string& model);

}  // namespace edgeclip::builder
