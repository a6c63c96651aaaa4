#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Add of a mask, Softmax, and zeros for rows that are masked altogether, as one operator.  Returns the
/// number of rewrites.
int fuse_masked_softmax(engine::Graph& graph);

}  // namespace edgeclip::builder
