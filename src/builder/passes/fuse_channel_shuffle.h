#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Channels of groups that take turns, by Reshape and Transpose, become edgeclip.ChannelShuffle.  Returns the
/// number of rewrites.
int fuse_channel_shuffle(engine::Graph& graph);

}  // namespace edgeclip::builder
