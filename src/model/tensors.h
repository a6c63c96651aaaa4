#pragma once

#include <torch/torch.h>

#include "base/tensor.h"

namespace edgeclip {

/// Between LibTorch's tensors and ours; both copy.
Tensor to_tensor(const torch::Tensor& t);
torch::Tensor from_tensor(const TensorView& t);

}  // namespace edgeclip
