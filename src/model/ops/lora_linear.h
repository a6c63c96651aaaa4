#pragma once

#include "model/compute_type.h"
#include "model/lora/lora_pair.h"

namespace edgeclip::ops {

/// x W^T + b + scale * (dropped A^T) B^T.  x: (..., in); dropped: the adapter's input, (..., in), which may
/// be x; weight: (out, in), float32, or bf16 if it is frozen; bias: (out) or undefined.  Gradients for x,
/// dropped, A, B, and for weight and bias if they train.
///
/// With frozen W and b the adapter's product is added by the matrix product itself, forwards and backwards,
/// where autograd's operators make two more passes over the output each way (in bf16 four, and as many
/// roundings).
torch::Tensor lora_linear(const torch::Tensor& x, const torch::Tensor& dropped, const torch::Tensor& weight,
                          const torch::Tensor& bias, const LoraPair& lora, ComputeType compute);

}  // namespace edgeclip::ops
