#pragma once

#include <torch/torch.h>

namespace edgeclip::ops {

/// x * sigmoid(1.702 x) (Hendrycks and Gimpel 2016, arXiv:1606.08415; CLIP's activation), with its gradient.
/// float32 and bfloat16 on the CPU take one pass over memory each way, where LibTorch's operators take three
/// and five, and keep x alone; bfloat16 is rounded once.  Other types go through those operators.
torch::Tensor quick_gelu(const torch::Tensor& x);

}  // namespace edgeclip::ops
