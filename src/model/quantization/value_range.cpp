#include "model/quantization/value_range.h"

#include <algorithm>

#include "model/ops/fake_quantize.h"

namespace edgeclip {

torch::Tensor ValueRange::read(const torch::Tensor& x) {
  if (observes && x.numel() > 0) {
    const auto [least, most] = torch::aminmax(x.detach().to(torch::kFloat));
    seen_low = std::min(seen_low, least.item<float>());
    seen_high = std::max(seen_high, most.item<float>());
  }
  if (!rounds || !known) return x;
  return ops::fake_quantize(x, activation_scale(static_cast<double>(low), static_cast<double>(high)));
}

}  // namespace edgeclip
