#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/parameter_groups.h"

namespace edgeclip {

/// The norm of each parameter's gradient, by the layer it belongs to ("vision_model.encoder.layers.3",
/// "text_model.embeddings", "logit_scale"), in the order of the parameters; those without a gradient are left
/// out. Reads every gradient once.
std::vector<std::pair<std::string, std::vector<double>>> gradient_norms(
    const std::vector<TrainedParameter>& parameters);

/// The layer of a parameter's name: up to the first number in it, else its first two parts, without the last.
std::string layer_of(const std::string& parameter);

}  // namespace edgeclip
