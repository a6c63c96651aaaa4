#pragma once

#include <torch/torch.h>

#include "model/profiler.h"

namespace edgeclip {

/// Images on their way through convolutions.
struct Grid {
  std::int64_t batch, height, width;

  /// What a window of this size leaves, with padding of half of it.
  Grid after(std::int64_t window, std::int64_t stride) const {
    const auto side = [&](std::int64_t size) { return (size + window / 2 * 2 - window) / stride + 1; };
    return {batch, side(height), side(width)};
  }
  double positions() const { return static_cast<double>(batch * height * width); }
  /// Of a convolution whose output this is.
  std::int64_t macs(const torch::nn::Conv2d& conv) const {
    return mac_product({batch, height, width, conv->weight.numel()});
  }
};

}  // namespace edgeclip
