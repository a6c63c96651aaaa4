#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

namespace edgeclip {

/// The weights of linear layers and convolutions by their names: what products are computed by.  Not biases, norms, tables of
/// embeddings, nor what an adapter adds.
std::vector<std::pair<std::string, torch::Tensor>> layer_weights(const torch::nn::Module& model);

}  // namespace edgeclip
