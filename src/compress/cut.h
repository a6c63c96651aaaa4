#pragma once

#include "model/linear.h"

/// Cutting a linear layer down.  It must have no adapter; whether its parameters train stays, gradients go.
namespace edgeclip {

/// Keeps the given output rows (pruning of neurons): weight and bias shrink.  index: (n) int64.
void keep_outputs(Linear& layer, const torch::Tensor& index);

/// Keeps the given input columns.
void keep_inputs(Linear& layer, const torch::Tensor& index);

}  // namespace edgeclip
