#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// x sigmoid(alpha x) becomes ONNX's Swish (SiLU where alpha is 1).  Returns the number of rewrites.
int fuse_swish(engine::Graph& graph);

}  // namespace edgeclip::builder
