#pragma once

#include "compress/selection.h"
#include "model/checkpoint.h"

/// Smaller networks made of larger ones.  What was cut is said by the configuration alone, so that the result is loaded, trained,
/// merged and exported as any other.  The model must have no adapter.  Tensors that stay whole share their memory with the original.
namespace edgeclip {

/// kept: of each of groups (prune_groups(checkpoint.model), or some of them), none empty.
Checkpoint with_units(const Checkpoint& checkpoint, const std::vector<PruneGroup>& groups, const KeptUnits& kept);

/// block: of prune_blocks(checkpoint.model).
Checkpoint without_block(const Checkpoint& checkpoint, const PruneBlock& block);

}  // namespace edgeclip
