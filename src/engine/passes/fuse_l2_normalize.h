#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// x / max(||x||, eps) becomes edgeclip.L2Normalize.  Returns the number of rewrites.
int fuse_l2_normalize(Graph& graph);

}  // namespace edgeclip::engine
