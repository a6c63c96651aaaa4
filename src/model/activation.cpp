#include "model/activation.h"

#include "base/error.h"
#include "model/ops/quick_gelu.h"

namespace edgeclip {

torch::Tensor activate(const std::string& name, const torch::Tensor& x) {
  if (name == "quick_gelu") return ops::quick_gelu(x);
  if (name == "gelu") return torch::gelu(x);
  EDGECLIP_CHECK(name == "relu", "activation {}", name);
  return torch::relu(x);
}

}  // namespace edgeclip
