#pragma once

#include "model/dual_encoder.h"

namespace edgeclip {

/// All groups of the image tower, then of the text tower, for a pass of one image and one caption of `tokens` tokens.
std::vector<PruneGroup> prune_groups(DualEncoder model, double tokens);

/// All blocks that could go.
std::vector<PruneBlock> prune_blocks(DualEncoder model);

}  // namespace edgeclip
