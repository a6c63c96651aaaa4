#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// An edgeclip.ChannelAffine takes in its activation.  Returns the number of rewrites.
int fuse_affine(engine::Graph& graph);

}  // namespace edgeclip::builder
