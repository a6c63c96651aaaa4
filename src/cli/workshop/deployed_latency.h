#pragma once

#include <filesystem>

#include "model/checkpoint.h"

namespace edgeclip {

/// Milliseconds that the engine takes for one image and one caption of `tokens` tokens, each at batch 1, medians, float32, on all
/// threads: the checkpoint is exported and built into a plan in the folder `scratch`, which is made and goes afterwards.
double deployed_latency_ms(const Checkpoint& checkpoint, int tokens, const std::filesystem::path& scratch);

}  // namespace edgeclip
