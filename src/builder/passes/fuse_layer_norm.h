#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// (x - mean) / sqrt(variance + epsilon) over the last axis, with what scales and shifts it, becomes ONNX's
/// LayerNormalization.  Returns the number of rewrites.
int fuse_layer_norm(engine::Graph& graph);

}  // namespace edgeclip::builder
