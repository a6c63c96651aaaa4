#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The rewrite drawn in fuse_norm_quantize.cpp, for graphs whose products are int8.  Returns the number of
/// rewrites.
int fuse_norm_quantize(engine::Graph& graph);

}  // namespace edgeclip::builder
