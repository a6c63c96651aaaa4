#include "model/lora/lora_pair.h"

#include "model/lora/dora.h"

namespace edgeclip {

torch::Tensor effective_weight(const torch::Tensor& weight, const LoraPair& pair) {
  const torch::Tensor sum = weight.to(torch::kFloat) + torch::matmul(pair.B, pair.A) * pair.scale;
  if (!pair.magnitude.defined()) return sum;
  return sum * (pair.magnitude / row_lengths(sum.detach())).unsqueeze(1);
}

torch::Tensor merged_weight(const torch::Tensor& weight, const LoraPair& pair) {
  const torch::NoGradGuard no_grad;
  torch::Tensor sum = weight.detach().to(torch::kFloat) + torch::matmul(pair.B, pair.A) * pair.scale;
  if (pair.magnitude.defined()) sum.mul_((pair.magnitude / row_lengths(sum)).unsqueeze(1));
  return sum;
}

}  // namespace edgeclip
