#include "model/finite.h"

#include <cmath>

#include "base/log.h"

namespace edgeclip {

bool all_finite(const torch::Tensor& values) {
  if (!values.is_floating_point()) return true;
  // A sum is not finite if one of its terms is not; without temporaries of the tensor's size.
  if (std::isfinite(values.sum().item<double>())) return true;
  return torch::isfinite(values).all().item<bool>();  // or if it overflows
}

void warn_of_not_finite(const std::vector<std::string>& tensors, const std::string& file) {
  for (const auto& name : tensors)
    spdlog::warn("{}: tensor \"{}\" holds values that are not finite", file, name);
}

}  // namespace edgeclip
