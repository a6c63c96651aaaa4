#pragma once

#include <torch/torch.h>

#include <string>

#include "base/safetensors.h"

namespace edgeclip {

/// A tensor of a run's state, on the CPU.  Throws InvalidInput naming file and tensor unless it is there with the type
/// and shape of `like`.
torch::Tensor state_tensor(const SafetensorsFile& file, const std::string& name, const torch::Tensor& like);

}  // namespace edgeclip
