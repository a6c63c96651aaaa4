#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// x / max(||x||, eps) becomes edgeclip.L2Normalize.  Returns the number of rewrites.
int fuse_l2_normalize(engine::Graph& graph);

}  // namespace edgeclip::builder
