#pragma once

#include <torch/torch.h>

#include <vector>

namespace edgeclip {

/// Where a network can be looked into.  While it is on, each forward pass leaves what went by here, with its graph.
struct Tap {
  bool on = false;
  std::vector<torch::Tensor> seen;

  void pass(const torch::Tensor& values) {
    if (on) seen.push_back(values);
  }
};

}  // namespace edgeclip
