#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// A BatchNormalization with the statistics of training becomes edgeclip.ChannelAffine.  Returns the number
/// of rewrites.
int batch_norm_to_affine(engine::Graph& graph);

}  // namespace edgeclip::builder
