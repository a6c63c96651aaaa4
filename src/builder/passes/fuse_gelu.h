#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// x/2 (1 + erf(x / sqrt 2)), however its factors are grouped, and ONNX's own Gelu become edgeclip.Gelu.
/// Returns the number of rewrites.
int fuse_gelu(engine::Graph& graph);

}  // namespace edgeclip::builder
