#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/linear.h"

namespace edgeclip {

/// Every Linear below model by its dotted name, in the order in which they are registered.
std::vector<std::pair<std::string, Linear>> linear_layers(const torch::nn::Module& model);

}  // namespace edgeclip
