#pragma once

#include "train/features.h"

namespace edgeclip {

/// One term of what a training minimizes.  It owns what it needs beside the model: parameters of its own
/// (registered, so that they train and are saved), a teacher.  All arithmetic is float32 on the features'
/// device.  Not thread-safe.
class Loss : public torch::nn::Module {
 public:
  /// A scalar.
  virtual torch::Tensor forward(const Features& features) = 0;
  /// Adds to features what this loss wants to be near and what has no gradient, a teacher's view for example, row by row;
  /// called under the model's precision.
  virtual void add_targets(const Inputs& /*inputs*/, Features& /*features*/) {}
  /// Whether it says something of pairs that are not trained on.
  virtual bool measures_unseen() const { return true; }
};

}  // namespace edgeclip
