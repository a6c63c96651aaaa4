#pragma once

#include <torch/torch.h>

#include "base/error.h"

namespace edgeclip::ops {

/// Called by a backward pass whose result autograd cannot differentiate again: it is computed by kernels, or
/// reads what the forward pass kept without a graph.  With create_graph autograd would take such a gradient for
/// a constant and leave out its part of a second derivative without a word.  operation: its name, for the
/// message.  Throws InternalError if the backward pass is asked for a graph: no command does.
inline void refuse_second_derivative(const char* operation) {
  EDGECLIP_CHECK(!torch::GradMode::is_enabled(),
                 "{} has first derivatives only; take gradients without create_graph", operation);
}

}  // namespace edgeclip::ops
