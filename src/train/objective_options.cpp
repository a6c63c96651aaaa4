#include "train/objective_options.h"

#include <cmath>

#include "base/error.h"

namespace edgeclip {

namespace {

void require_weight(double weight, const std::string& where) {
  if (!std::isfinite(weight) || weight < 0)
    invalid_input("{}weight: must be 0 (off) or more, is {}", where, weight);
}

void require_smoothing(double part, const std::string& where) {
  if (!(part >= 0 && part < 1))
    invalid_input("{}label_smoothing: must be at least 0 and below 1, is {}", where, part);
}

void require_positive(double value, const std::string& where, const char* key) {
  if (!std::isfinite(value) || value <= 0) invalid_input("{}{}: must be positive, is {}", where, key, value);
}

}  // namespace

void ContrastiveOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_smoothing(label_smoothing, where);
}

void SdmOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_positive(temperature, where, "temperature");
  require_positive(epsilon, where, "epsilon");
}

void IdentityOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_smoothing(label_smoothing, where);
}

void DistillationOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_positive(temperature, where, "temperature");
  if (weight > 0 && teacher.empty())
    invalid_input("{}teacher: is missing; name a checkpoint to learn from, or set {}weight to 0", where,
                  where);
}

void ObjectiveOptions::validate(const std::string& where) const {
  contrastive.validate(where + "contrastive.");
  sdm.validate(where + "sdm.");
  identity.validate(where + "identity.");
  distillation.validate(where + "distillation.");
  if (contrastive.weight + sdm.weight + identity.weight + distillation.weight <= 0)
    invalid_input("{}*.weight: all are 0, so there is nothing to minimize; give one loss a weight", where);
}

std::vector<std::string> measured_losses(const ObjectiveOptions& o) {
  const std::pair<const char*, double> weights[] = {  // all but identity, whose classes are the persons trained on
      {"contrastive", o.contrastive.weight}, {"sdm", o.sdm.weight}, {"distillation", o.distillation.weight}};
  std::vector<std::string> names;
  for (const auto& [name, weight] : weights)
    if (weight > 0) names.emplace_back(name);
  return names;
}

}  // namespace edgeclip
