#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The mask of an attention that hides later keys and nothing else, as the attribute `causal`.  Returns the
/// number of rewrites.
int causal_attention(engine::Graph& graph);

}  // namespace edgeclip::builder
