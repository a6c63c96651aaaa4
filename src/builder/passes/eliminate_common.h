#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Common subexpression elimination: what two nodes compute alike is computed once.  Returns how many nodes
/// went.
int eliminate_common(engine::Graph& graph);

}  // namespace edgeclip::builder
