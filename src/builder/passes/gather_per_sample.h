#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The rewrite drawn in gather_per_sample.cpp.  Returns the number of rewrites.
int gather_per_sample(engine::Graph& graph);

}  // namespace edgeclip::builder
