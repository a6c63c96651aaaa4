#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The Q/DQ form of a quantized product, and what follows it, becomes one node (drawn in the source file).
/// Returns the number of rewrites.  Runs after the GELU fusions, whose nodes it takes in, and before anything
/// folds the weights' DequantizeLinear, which would turn them back into float32.
int fuse_quantized_matmul(engine::Graph& graph);

}  // namespace edgeclip::builder
