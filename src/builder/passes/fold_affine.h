#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// An edgeclip.ChannelAffine behind a convolution goes into its weights and bias.  Returns the number of
/// rewrites.
int fold_affine(engine::Graph& graph);

}  // namespace edgeclip::builder
