#pragma once

#include "model/towers/tower.h"

namespace edgeclip {

/// Of each block the heads and the neurons.  name: of the tower; config: its own in a ModelConfig; tokens: of a sequence, before its layers merge some.
template <class TowerConfig>
std::vector<PruneGroup> transformer_groups(const TowerImpl& tower, const std::string& name, TowerConfig ModelConfig::*config,
                                           double tokens);

/// All blocks, unless there is but one.
template <class TowerConfig>
std::vector<PruneBlock> transformer_blocks(const TowerImpl& tower, const std::string& name, TowerConfig ModelConfig::*config);

}  // namespace edgeclip
