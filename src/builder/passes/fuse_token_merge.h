#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Bipartite soft matching of tokens, and the merging of those that were found, as one operator:
/// edgeclip.TokenMerge.  Returns the number of rewrites.
int fuse_token_merge(engine::Graph& graph);

}  // namespace edgeclip::builder
