#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// Evaluation mode for its lifetime, then the mode it found.
class EvalMode {
 public:
  explicit EvalMode(torch::nn::Module& module) : module_(module), was_training_(module.is_training()) {
    module_.eval();
  }
  ~EvalMode() { module_.train(was_training_); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  torch::nn::Module& module_;
  const bool was_training_;
};

}  // namespace edgeclip
