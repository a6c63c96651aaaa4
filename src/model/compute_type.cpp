#include "model/compute_type.h"

namespace edgeclip {

torch::Tensor as_operand(const torch::Tensor& x, ComputeType compute) {
  return compute == ComputeType::bf16 && x.defined() ? x.to(torch::kBFloat16) : x;
}

}  // namespace edgeclip
