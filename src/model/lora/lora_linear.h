#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// x W^T + b + scale * (x A^T) B^T for a frozen W (and b): the adapter's product is added by the matrix
/// product itself, forwards and backwards, where autograd's operators make two more passes over the output
/// each way. x: (..., in) float32; dropped: the adapter's input, (..., in), which may be x; weight: (out, in)
/// float32, or bf16, which is widened for the product and not kept.  Gradients for x, dropped, A and B.
/// Without autocast.
torch::Tensor frozen_lora_linear(const torch::Tensor& x, const torch::Tensor& dropped,
                                 const torch::Tensor& weight, const torch::Tensor& bias,
                                 const torch::Tensor& A, const torch::Tensor& B, double scale);

/// x W^T + b for a frozen W in bf16 and float32 x: W is widened for the product, forwards and backwards, and
/// only its 16 bits are kept between.  A bias that trains has its gradient.
torch::Tensor widened_linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace edgeclip
