#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// x sigmoid(1.702 x) becomes edgeclip.QuickGelu.  Returns the number of rewrites.
int fuse_quick_gelu(Graph& graph);

}  // namespace edgeclip::engine
