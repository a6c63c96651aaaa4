#pragma once

#include <cstdint>
#include <vector>

#include "base/safetensors.h"
#include "train/parameter_groups.h"

namespace edgeclip {

/// An exponential moving average of parameters that train: average += (1 - d) (weight - average) after each step, with
/// d = min(decay, (1 + t) / (10 + t)) after t steps, so that the first weights do not linger (as TensorFlow's
/// ExponentialMovingAverage with num_updates).  Not thread-safe.
class WeightAverage {
 public:
  WeightAverage(std::vector<TrainedParameter> parameters, double decay);

  /// To be called when `steps` updates have been made in all.
  void add(std::int64_t steps);

  /// For its lifetime the parameters hold the average and the average holds them.
  class InUse {
   public:
    explicit InUse(WeightAverage* average);  ///< nullptr: changes nothing
    ~InUse();
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    WeightAverage* const average_;
  };

  /// As "average.NAME", sharing the averages' memory: for who writes them at once.
  NamedTensors state() const;
  /// Throws InvalidInput if file lacks one or has it in another shape.
  void load_state(const SafetensorsFile& file);

 private:
  void swap();

  std::vector<TrainedParameter> parameters_;
  std::vector<torch::Tensor> averages_;
  const double decay_;
};

}  // namespace edgeclip
