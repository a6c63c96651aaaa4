#pragma once

#include <torch/torch.h>

#include "base/tensor.h"

namespace edgeclip {

/// LibTorch's memory as ours, without a copy where it is dense and the CPU's: it lives as long as what is
/// returned, to be read only, and what writes to t is seen.  For what is written to a file at once.
Tensor alias_tensor(const torch::Tensor& t);

/// Between LibTorch's tensors and ours; both copy.
Tensor to_tensor(const torch::Tensor& t);
torch::Tensor from_tensor(const TensorView& t);

}  // namespace edgeclip
