#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The rewrite drawn in patch_embedding.cpp.  Returns the number of rewrites.
int patch_embedding(engine::Graph& graph);

}  // namespace edgeclip::builder
