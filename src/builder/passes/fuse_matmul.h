#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A product with constant weights, its bias, activation and residual become one edgeclip.FusedMatMul.
/// Returns the number of rewrites.
int fuse_matmul(engine::Graph& graph);

}  // namespace edgeclip::builder
