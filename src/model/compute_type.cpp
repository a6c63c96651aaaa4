#include "model/compute_type.h"

#include <ATen/autocast_mode.h>

namespace edgeclip {

ComputeType compute_type_of_autocast() {
  return at::autocast::is_cpu_enabled() || at::autocast::is_enabled() ? ComputeType::bf16 : ComputeType::f32;
}

torch::Tensor as_operand(const torch::Tensor& x, ComputeType compute) {
  return compute == ComputeType::bf16 && x.defined() ? x.to(torch::kBFloat16) : x;
}

}  // namespace edgeclip
