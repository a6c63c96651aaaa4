#pragma once

#include <torch/torch.h>

#include <string>

namespace edgeclip {

/// "gelu" (exact, erf) | "quick_gelu" (x * sigmoid(1.702 x)) | "relu".
torch::Tensor activate(const std::string& name, const torch::Tensor& x);

}  // namespace edgeclip
