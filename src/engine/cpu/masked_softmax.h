#pragma once

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

/// Softmax over the last axis of x (input 0) + mask (input 1, if there is one), float32, as
/// edgeclip.MaskedSoftmax has it: rows without a softmax are zeros if `safe`, else NaN.  May throw dnnl::error.
std::unique_ptr<Kernel> bind_masked_softmax(const BindRequest& request, bool safe);

}  // namespace edgeclip::engine
