#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/safetensors.h"
#include "model/checkpoint.h"
#include "support/support.h"

namespace edgeclip::test {

using Leaves = std::map<std::string, torch::Tensor>;

/// Compares value and gradients of a loss with a file of the parity folder's losses/: its inputs become
/// leaves, "pids" and "labels" int64 without gradient.  inputs: those that get a gradient.
inline void check_golden_loss(const std::filesystem::path& path, const std::vector<std::string>& inputs,
                              const std::function<torch::Tensor(Leaves&)>& loss_of) {
  const SafetensorsFile file(path);
  const auto get = [&](const std::string& name) { return from_tensor(file.get(name).view()); };
  Leaves leaves;
  for (const auto& name : inputs) leaves[name] = get(name).requires_grad_(true);
  for (const char* name : {"pids", "labels"})
    if (file.contains(name)) leaves[name] = get(name);
  const torch::Tensor loss = loss_of(leaves);
  EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
  const double expected = get("loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), expected, 1e-5 * std::abs(expected));
  loss.backward();
  for (const auto& name : inputs) {
    const torch::Tensor golden = get("grad." + name);
    const double tolerance = 1e-6 + 1e-4 * golden.abs().max().item<double>();
    EXPECT_LE((leaves[name].grad().view_as(golden) - golden).abs().max().item<double>(), tolerance) << name;
  }
}

inline torch::Tensor unit(const torch::Tensor& x) { return torch::nn::functional::normalize(x); }

}  // namespace edgeclip::test
