#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// What kernels rely on without looking again: the operator is known, inputs and outputs are as many as it
/// takes, attributes have its types.  The importer's graphs are sound; a plan file may come from anywhere.
/// Throws InvalidInput.
void check_node(const Node& node);

}  // namespace edgeclip::engine
