#pragma once

#include <torch/torch.h>

#include <limits>

namespace edgeclip {

/// The range of a value that int8 layers read, while a model learns to be int8.  It stands where the layers read the value, looks at
/// what goes by and hands on what int8 holds of it; FakeQuantization says when.  Within a step it hands on by the range that earlier
/// steps left, so that parts of a batch, passes made twice and other processes round alike.  Not thread-safe.
class ValueRange {
 public:
  /// What the layers compute with: x itself, unless rounds is set and a range is known.  x: any shape and float type.
  torch::Tensor read(const torch::Tensor& x);

  bool observes = false;  ///< read() notes least and most
  bool rounds = false;

  bool known = false;
  float low = 0, high = 0;  ///< moving average, if known

  /// Of this step; the first is above the second as long as nothing was seen.
  float seen_low = std::numeric_limits<float>::infinity(), seen_high = -std::numeric_limits<float>::infinity();
};

}  // namespace edgeclip
