#pragma once

#include "train/features.h"

namespace edgeclip {

/// One term of what a training minimizes.  It owns what it needs beside the model: parameters of its own,
/// registered, so that they train and are saved.  All arithmetic is float32 on the features'
/// device.  Not thread-safe.
class Loss : public torch::nn::Module {
 public:
  /// A scalar.
  virtual torch::Tensor forward(const Features& features) = 0;
};

}  // namespace edgeclip
