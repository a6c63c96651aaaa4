#pragma once

#include <torch/torch.h>

#include <utility>

#include "model/compute_type.h"

/// What stands between the products of a transformer block.  The stream that branches are added to stays
/// float32, since it is a sum over all layers; what a product reads is given in its own type at once.  Each
/// is one pass over memory each way for float32 on the CPU with a weight and a bias, and LibTorch's operators
/// elsewhere, which add bfloat16 to float32 forty times as slowly.
namespace edgeclip::ops {

/// (x - mean) / sqrt(variance + eps) * weight + bias over the last axis (Ba et al. 2016, arXiv:1607.06450),
/// as operand of a product.  x: (..., W); weight, bias: (W).  Returns (..., W), bfloat16 for
/// ComputeType::bf16. Gradients for all three.
torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                         double eps, ComputeType compute);

/// {x + branch, layer_norm(x + branch)}.  branch: as x, of any type.  Gradients for all four.
std::pair<torch::Tensor, torch::Tensor> add_layer_norm(const torch::Tensor& x, const torch::Tensor& branch,
                                                       const torch::Tensor& weight, const torch::Tensor& bias,
                                                       double eps, ComputeType compute);

/// x + branch, of x's type if that is the wider.
torch::Tensor add_branch(const torch::Tensor& x, const torch::Tensor& branch);

}  // namespace edgeclip::ops
