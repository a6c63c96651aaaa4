#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// Values of all parameters of a module, trained or not.
inline std::int64_t parameter_count(const torch::nn::Module& module) {
  std::int64_t sum = 0;
  for (const torch::Tensor& parameter : module.parameters()) sum += parameter.numel();
  return sum;
}

}  // namespace edgeclip
