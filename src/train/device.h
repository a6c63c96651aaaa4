#pragma once

#include <torch/torch.h>

#include <string>

namespace edgeclip {

/// Where a training computes.  asked: "cpu" | "cuda" | "auto" (the GPU where LibTorch has one, else the CPU, which one
/// line says).  Throws InvalidInput for "cuda" where there is none.
torch::Device training_device(const std::string& asked);

}  // namespace edgeclip
