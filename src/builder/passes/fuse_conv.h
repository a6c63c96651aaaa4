#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A convolution, its bias, residual and activation become one edgeclip.FusedConv.  Returns the number of
/// rewrites.
int fuse_conv(engine::Graph& graph);

}  // namespace edgeclip::builder
