#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The rewrite drawn in sizes_of_inputs.cpp.  Returns the number of rewrites.
int sizes_of_inputs(engine::Graph& graph);

}  // namespace edgeclip::builder
