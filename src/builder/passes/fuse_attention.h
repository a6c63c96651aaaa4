#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Heads made of rows, the two products and the softmax of an attention, and rows made of heads again, as one
/// operator: edgeclip.FusedAttention.  Returns the number of rewrites.
int fuse_attention(engine::Graph& graph);

}  // namespace edgeclip::builder
