#include "train/parameter_groups.h"

#include "base/error.h"
#include "model/lora/name_match.h"

namespace edgeclip {

std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model) {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : model.named_parameters())
    if (item.value().requires_grad())
      parameters.push_back({item.key(), item.value(), item.value().dim() >= 2});
  if (parameters.empty()) throw InvalidInput("the model has no parameter that trains");
  return parameters;
}

std::vector<TrainedParameter> trained_parameters(const torch::nn::Module& model,
                                                 const torch::nn::Module& objective) {
  std::vector<TrainedParameter> parameters = trained_parameters(model);
  for (const auto& item : objective.named_parameters())
    if (item.value().requires_grad())
      parameters.push_back({"objective." + item.key(), item.value(), item.value().dim() >= 2});
  return parameters;
}

void apply_groups(std::vector<TrainedParameter>& parameters, const std::vector<ParameterGroupOptions>& groups,
                  const std::string& where) {
  std::vector<bool> grouped(parameters.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<bool> fitting(parameters.size());
    for (const auto& pattern : groups[g].parameters) {
      const std::string place = fmt::format("{}groups[{}].parameters", where, g);
      const NamePattern named(pattern, NamePart::kBefore, place);
      bool found = false;
      for (std::size_t i = 0; i < parameters.size(); ++i)
        if (named.fits(parameters[i].name)) found = fitting[i] = true;
      if (!found)
        invalid_input("{}: \"{}\" fits no parameter that trains; {} is one", place, pattern,
                      parameters.front().name);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!fitting[i] || grouped[i]) continue;
      grouped[i] = true;
      parameters[i].rate = groups[g].rate;
      if (groups[g].weight_decay >= 0) {
        parameters[i].decay = true;
        parameters[i].weight_decay = groups[g].weight_decay;
      }
    }
  }
}

}  // namespace edgeclip
