#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

// fold_constants() is declared in passes.h.

/// Folds what fold_constants() leaves alone for the quantized kernels: DequantizeLinear of constants.  For
/// what is left when those have taken theirs.
int fold_dequantized(engine::Graph& graph);

}  // namespace edgeclip::builder
