#include "model/lora/lora_pair.h"

#include "model/lora/dora.h"

namespace edgeclip {

torch::Tensor merged_weight(const torch::Tensor& weight, const LoraPair& pair) {
  const torch::NoGradGuard no_grad;
  // Autocast would round the product, which is to be float32 in training as in a merge.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(
      c10::DispatchKeySet({c10::DispatchKey::AutocastCPU, c10::DispatchKey::AutocastCUDA}));
  torch::Tensor sum = weight.detach().to(torch::kFloat) + torch::matmul(pair.B, pair.A) * pair.scale;
  if (pair.magnitude.defined()) sum.mul_((pair.magnitude / row_lengths(sum)).unsqueeze(1));
  return sum;
}

}  // namespace edgeclip
