#pragma once

#include <cstdint>
#include <vector>

#include "model/checkpoint.h"

namespace edgeclip {

/// Cuts the MLPs down to the given neurons (ascending, one list per mlp_layers() entry, each not empty): rows
/// of fc1, columns of fc2.  intermediate_size becomes a list in checkpoint.config and in the model's own. The
/// model must have no adapter.
void keep_neurons(Checkpoint& checkpoint, const std::vector<std::vector<std::int64_t>>& kept);

}  // namespace edgeclip
