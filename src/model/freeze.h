#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

namespace edgeclip {

/// Freezes parameters.  A pattern (lora/name_match.h) names a module, with all that lies below it, or a
/// parameter:
///   "vision_model"   "text_model.encoder.layers.0-8"   "*.embeddings"   "*.bias"
/// Throws InvalidInput naming the pattern that fits nothing; where: start of the message.  Returns how many
/// values were frozen.
std::int64_t freeze_parameters(torch::nn::Module& model, const std::vector<std::string>& patterns,
                               const std::string& where);

}  // namespace edgeclip
