#pragma once

#include "data/dataset/dataset.h"
#include "model/checkpoint.h"
#include "train/memory_estimate.h"

namespace edgeclip {

/// What the memory of training this checkpoint on this dataset depends on, as the process stands now: models loaded,
/// nothing of a step made yet.  objective: the losses, with what they own.
MemoryInputs memory_inputs(const TrainOptions& options, const Checkpoint& checkpoint,
                           const torch::nn::Module& objective, const Dataset& dataset);

}  // namespace edgeclip
