#include "model/lora/lora_pair.h"

namespace edgeclip {

torch::Tensor merged_weight(const torch::Tensor& weight, const LoraPair& pair) {
  const torch::NoGradGuard no_grad;
  return weight.detach().to(torch::kFloat) + torch::matmul(pair.B, pair.A) * pair.scale;
}

}  // namespace edgeclip
