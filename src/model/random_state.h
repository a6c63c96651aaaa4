#pragma once

#include <ATen/Context.h>
#include <torch/torch.h>

#include <mutex>

namespace edgeclip {

/// Where LibTorch's default generator of a device stands, of which dropout draws: so that something computed twice
/// draws the same twice.  Thread-safe.
class RandomState {
 public:
  explicit RandomState(const at::Device& device) : generator_(at::globalContext().defaultGenerator(device)) {
    const std::lock_guard lock(generator_.mutex());
    state_ = generator_.get_state();
  }
  void restore() {
    const std::lock_guard lock(generator_.mutex());
    generator_.set_state(state_);
  }

 private:
  at::Generator generator_;
  torch::Tensor state_;
};

}  // namespace edgeclip
