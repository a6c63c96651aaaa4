#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

/// Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174), which LibTorch has in Python only.
namespace edgeclip {

/// block(x), of which the backward pass keeps x alone and computes everything else again: the same values and
/// gradients for less memory and one more forward pass.  Random numbers (dropout) are in the second run
/// what they were in the first.  parameters: all that block uses and that may need a gradient.
/// What else block uses must stay as it is until the backward pass, and needs no gradient.
torch::Tensor recomputed(std::function<torch::Tensor(const torch::Tensor&)> block, const torch::Tensor& x,
                         const std::vector<torch::Tensor>& parameters);

/// True while this thread runs a block for the second time: running statistics have been updated then.
bool is_recomputing();

}  // namespace edgeclip
