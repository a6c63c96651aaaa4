#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A Concat along the channels goes into the operator behind it.  Returns the number of rewrites.
int fuse_concat(engine::Graph& graph);

}  // namespace edgeclip::builder
