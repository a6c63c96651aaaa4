#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/safetensors.h"
#include "train/parameter_groups.h"

namespace edgeclip {

/// AdamW with decoupled decay (Loshchilov and Hutter 2019), the arithmetic of torch.optim.AdamW, in one pass
/// over memory per step: LibTorch's own makes about ten.  float32; that pass where a parameter lies
/// densely in the CPU's memory, LibTorch's operators elsewhere.  Moments lie with their parameters.  Not
/// thread-safe.
class AdamW {
 public:
  AdamW(std::vector<TrainedParameter> parameters, const OptimizerOptions& options);

  /// Norm of all gradients together; parameters without a gradient count nothing.
  double gradient_norm() const;
  /// One step at rate lr (times each parameter's own factor), with every gradient multiplied by
  /// gradient_scale first (clipping: the gradients themselves stay as they are).  Parameters without a
  /// gradient stay as they are.
  void step(double lr, double gradient_scale = 1.0);
  /// Drops the gradients, so that the next backward writes instead of adding.
  void zero_gradients();

  std::int64_t steps() const { return steps_; }
  std::int64_t trained_elements() const;

  /// Moments as "exp_avg.NAME" and "exp_avg_sq.NAME", steps() as "adamw_steps".
  /// They share the moments' memory: for who writes them at once.
  NamedTensors state() const;
  /// Where an earlier version wrote no steps(), they are those of file's metadata "step".  Throws InvalidInput if file
  /// lacks a moment or has it in another shape.
  void load_state(const SafetensorsFile& file);

 private:
  struct Moments {
    torch::Tensor first, second;
  };
  std::vector<TrainedParameter> parameters_;
  std::vector<Moments> moments_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
};

/// What gradients of the given norm are multiplied with so that it becomes at most max_norm, as torch's
/// clip_grad_norm_.  max_norm 0: never less than 1.
double clip_scale(double norm, double max_norm);

}  // namespace edgeclip
