#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// x sigmoid(1.702 x) becomes edgeclip.QuickGelu.  Returns the number of rewrites.
int fuse_quick_gelu(engine::Graph& graph);

}  // namespace edgeclip::builder
