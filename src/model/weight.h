#pragma once

#include <torch/torch.h>

#include <cstdint>

/// How weights are written.  What is derived from a weight (a packed form, several layers' joined into one, a
/// mask's product, a rounded copy) holds as long as the weight's version does, so every write must move it:
/// LibTorch's in-place operators (copy_, normal_, ...) do by themselves, and everything else goes through
/// here.  Autograd looks at the same number: a backward pass through a weight that was written since its
/// forward pass is refused.
namespace edgeclip {

/// Rises with every write to the parameter; never falls while the parameter lives.
std::int64_t weight_version(const torch::Tensor& parameter);

/// The parameter becomes value, whose memory it shares from here on; whether it trains stays.  value: of any
/// shape and type; a gradient that no longer fits is dropped.
void set_weight(torch::Tensor& parameter, const torch::Tensor& value);

/// For who writes through data_ptr(): to be called after it.
void weight_was_written(torch::Tensor& parameter);

}  // namespace edgeclip
