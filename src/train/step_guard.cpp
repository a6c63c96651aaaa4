#include "train/step_guard.h"

#include "base/error.h"
#include "model/finite.h"

namespace edgeclip {

StepGuard::StepGuard(const DualEncoder& model) : model_(model) {
  for (const auto& item : model->named_buffers()) statistics_.push_back(item.value());
}

void StepGuard::begin() {
  random_.emplace(model_->logit_scale.device());
  before_.resize(statistics_.size());
  for (std::size_t i = 0; i < statistics_.size(); ++i)
    if (before_[i].defined())
      before_[i].copy_(statistics_[i]);
    else
      before_[i] = statistics_[i].clone();
}

void StepGuard::undo(std::vector<TrainedParameter>& parameters) {
  const torch::NoGradGuard no_graph;
  for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_(before_[i]);
  for (TrainedParameter& parameter : parameters) parameter.value.mutable_grad().reset();
}

void StepGuard::undo_all(std::vector<TrainedParameter>& parameters) {
  undo(parameters);
  random_->restore();
}

std::string StepGuard::damaged_weight() const {
  for (const auto& item : model_->named_parameters())
    if (!all_finite(item.value())) return item.key();
  return "";
}

std::string StepGuard::damaged_weight(const std::vector<TrainedParameter>& parameters) {
  for (const TrainedParameter& parameter : parameters)
    if (!all_finite(parameter.value)) return parameter.name;
  return "";
}

std::string StepGuard::damaged_gradient(const std::vector<TrainedParameter>& parameters) const {
  std::size_t bad = 0;
  std::string last;  // parameters come in the order of the forward pass, tower by tower
  for (const TrainedParameter& parameter : parameters)
    if (parameter.value.grad().defined() && !all_finite(parameter.value.grad())) {
      last = parameter.name;
      ++bad;
    }
  if (bad == 0) return "all gradients are finite";
  return fmt::format("{} of {} gradients are not finite, nearest to the output that of {}", bad, parameters.size(), last);
}

}  // namespace edgeclip
