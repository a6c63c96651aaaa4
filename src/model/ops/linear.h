#pragma once

#include "model/compute_type.h"

namespace edgeclip::ops {

/// x W^T + b.  x: (..., in); weight: (out, in); bias: (out) or undefined.  Gradients for all of them, but
/// none for a weight in bf16 beside float32 x: that one is frozen, is widened for the product, forwards and
/// backwards, and only its 16 bits are kept between.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     ComputeType compute);

}  // namespace edgeclip::ops
