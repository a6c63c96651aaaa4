#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// A product with constant weights, its bias, activation and residual become one edgeclip.FusedMatMul.
/// Returns the number of rewrites.
int fuse_matmul(Graph& graph);

}  // namespace edgeclip::engine
