#pragma once

#include "engine/ops/operator.h"
#include "kernels/attention/attention.h"

namespace edgeclip::engine {

/// edgeclip.FusedAttention as the kernels have it: sizes, steps and attributes, for inputs of which only the
/// shapes need be known; without pointers.  Throws InvalidInput if the shapes do not fit.
kernels::Attention attention_problem(const Node& node, const Inputs& inputs);

/// Gives it its pointers.
void set_attention_data(kernels::Attention& problem, const Inputs& inputs, const Outputs& outputs);

}  // namespace edgeclip::engine
