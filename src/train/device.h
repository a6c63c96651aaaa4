#pragma once

#include <torch/torch.h>

#include <string>

namespace edgeclip {

/// Where a training computes.  asked: "cpu" | "cuda" | "auto" (the GPU where LibTorch has one, else the CPU).  Throws InvalidInput
/// for "cuda" where there is none.
torch::Device training_device(const std::string& asked);
/// One line of where it computes, and why not on a GPU.
std::string describe_device(const std::string& asked, const torch::Device& device);

}  // namespace edgeclip
