#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// x min(max(x/6 + 1/2, 0), 1), in all spellings, becomes ONNX's HardSwish.  Returns the number of rewrites.
int fuse_hard_swish(engine::Graph& graph);

}  // namespace edgeclip::builder
