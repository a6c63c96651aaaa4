#include "train/weight_average.h"

#include <algorithm>

#include "model/tensors.h"
#include "model/weight.h"
#include "train/state_tensor.h"

namespace edgeclip {

WeightAverage::WeightAverage(std::vector<TrainedParameter> parameters, double decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  for (const TrainedParameter& parameter : parameters_) averages_.push_back(parameter.value.detach().clone());
}

void WeightAverage::add(std::int64_t steps) {
  const torch::NoGradGuard no_graph;
  const double t = static_cast<double>(steps), decay = std::min(decay_, (1 + t) / (10 + t));
  for (std::size_t i = 0; i < parameters_.size(); ++i) averages_[i].lerp_(parameters_[i].value, 1 - decay);
}

void WeightAverage::swap() {
  const torch::NoGradGuard no_graph;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const torch::Tensor weight = parameters_[i].value.detach();
    set_weight(parameters_[i].value, averages_[i]);  // their memories change places, nothing is copied
    averages_[i] = weight;
  }
}

WeightAverage::InUse::InUse(WeightAverage* average) : average_(average) {
  if (average_ != nullptr) average_->swap();
}

WeightAverage::InUse::~InUse() {
  if (average_ != nullptr) average_->swap();
}

NamedTensors WeightAverage::state() const {
  NamedTensors tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    tensors.emplace_back("average." + parameters_[i].name, alias_tensor(averages_[i]));
  return tensors;
}

void WeightAverage::load_state(const SafetensorsFile& file) {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    averages_[i].copy_(state_tensor(file, "average." + parameters_[i].name, averages_[i]));
}

}  // namespace edgeclip
