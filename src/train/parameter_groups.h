#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "train/train.h"

namespace edgeclip {

/// A parameter that trains, with the rate and decay of its group.
struct TrainedParameter {
  std::string name;
  torch::Tensor value;
  bool decay = true;                     ///< whether weight decay applies to it
  double rate = 1;                       ///< factor of the step's learning rate
  std::optional<double> weight_decay{};  ///< in the optimizer's place
};

/// The parameters of model that require a gradient.  Matrices and tensors of more dimensions decay; biases,
/// LayerNorm, the class token and the logit scale do not.  Throws InvalidInput if nothing trains.
std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model);
/// Those and the objective's, as "objective.NAME".
std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model,
                                                 const torch::nn::Module& objective);

/// Gives each parameter rate and decay of the first group that names it; the others stay as they are.  where:
/// start of messages.  Throws InvalidInput naming a pattern that fits nothing that trains.
void apply_groups(std::vector<TrainedParameter>& parameters, const std::vector<ParameterGroupOptions>& groups,
                  const std::string& where);

}  // namespace edgeclip
