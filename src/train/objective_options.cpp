#include "train/objective_options.h"

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/key_path.h"

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

void require_not_negative(double value, const std::string& where, const char* key) {
  if (!std::isfinite(value) || value < 0) invalid_input("{}{}: must be 0 or more, is {}", where, key, value);
}

/// is, usual, asked: of one loss, or of one group of them.  used: whether another loss of the group uses a key.
void require_weight_of(const Json& is, const Json& usual, const Json& asked, const std::string& where,
                       const std::function<bool(const std::string&)>& used) {
  for (const auto& [key, value] : asked.items()) {
    if (value.is_object()) {
      require_weight_of(is.at(key), usual.at(key), value, where + key + ".", used);
      continue;
    }
    // A whole configuration names all keys; a value that differs was meant.
    const bool meant = is.at(key) != usual.at(key) || !asked.contains("weight");
    if (key == "weight" || is.at("weight").get<double>() > 0 || !meant || used(key)) continue;
    invalid_input("{0}{2}: was set, but {1}weight is 0, so that it has no effect; give it a weight, or leave {1}{2} out",
                  where, key_path(where), key);
  }
}

}  // namespace

void require_weights(const ObjectiveOptions& options, const Json& asked, const std::string& where) {
  const Json is = options_to_json(options), usual = options_to_json(ObjectiveOptions());
  for (const auto& [loss, part] : asked.items())
    require_weight_of(is.at(loss), usual.at(loss), part, where + loss + ".", [&](const std::string& key) {
      return (key == "teacher" || key == "cache_mb") && options.distillation.in_use();
    });
}

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

void ReversedContrastiveOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_positive(epsilon, where, "epsilon");
}

void CyclicOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_not_negative(in_modal, where, "in_modal");
  require_not_negative(cross_modal, where, "cross_modal");
  if (weight > 0 && in_modal + cross_modal == 0)
    invalid_input("{0}in_modal and {1}cross_modal are both 0; give one of them a weight, or set {1}weight to 0", where,
                  key_path(where));
}

void TripletAlignmentOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_not_negative(margin, where, "margin");
  require_positive(temperature, where, "temperature");
}

void SelfSupervisionOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_positive(temperature, where, "temperature");
  require_positive(hidden_size, where, "hidden_size");
}

void EmbeddingDistillationOptions::validate(const std::string& where) const { require_weight(weight, where); }

void HiddenDistillationOptions::validate(const std::string& where) const { require_weight(weight, where); }

void DistillationOptions::validate(const std::string& where) const {
  require_weight(weight, where);
  require_positive(temperature, where, "temperature");
  if (cache_mb < 0) invalid_input("{}cache_mb: must be 0 (none) or more, is {}", where, cache_mb);
  embeddings.validate(where + "embeddings.");
  hidden.validate(where + "hidden.");
  if (in_use() && teacher.empty())
    invalid_input("{}teacher: is missing; name a checkpoint to learn from, or set {}{}weight to 0", where, key_path(where),
                  weight > 0 ? "" : embeddings.weight > 0 ? "embeddings." : "hidden.");
}

void ObjectiveOptions::validate(const std::string& where) const {
  contrastive.validate(where + "contrastive.");
  sdm.validate(where + "sdm.");
  identity.validate(where + "identity.");
  reversed_contrastive.validate(where + "reversed_contrastive.");
  cyclic.validate(where + "cyclic.");
  triplet_alignment.validate(where + "triplet_alignment.");
  self_supervision.validate(where + "self_supervision.");
  distillation.validate(where + "distillation.");
  if (contrastive.weight + sdm.weight + identity.weight + reversed_contrastive.weight + cyclic.weight +
          triplet_alignment.weight + self_supervision.weight <=
          0 &&
      !distillation.in_use())
    invalid_input("{}*.weight: all are 0, so there is nothing to minimize; give one loss a weight", where);
}

}  // namespace edgeclip
