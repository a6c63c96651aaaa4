#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

namespace edgeclip {

/// Whether no value is NaN or infinite.  Integers are finite.
bool all_finite(const torch::Tensor& values);

/// One warning per tensor of `file` that is not; nothing is refused, since a damaged model can still be
/// looked at.
void warn_of_not_finite(const std::vector<std::string>& tensors, const std::string& file);

}  // namespace edgeclip
