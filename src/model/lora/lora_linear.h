#pragma once

#include <torch/torch.h>

#include "model/linear.h"

namespace edgeclip {

/// x W^T + b + scale * (x A^T) B^T for a frozen W (and b): the adapter's product is added by the matrix
/// product itself, forwards and backwards, where autograd's operators make two more passes over the output
/// each way. x: (..., in) float32; dropped: the adapter's input, (..., in), which may be x.  Gradients for x,
/// dropped, A and B.  float32 and no autocast.
torch::Tensor frozen_lora_linear(const torch::Tensor& x, const torch::Tensor& dropped,
                                 const torch::Tensor& weight, const torch::Tensor& bias,
                                 const torch::Tensor& A, const torch::Tensor& B, double scale);

}  // namespace edgeclip
