#pragma once

#include "engine/ops/operator.h"

namespace edgeclip::engine {

/// Multiply-accumulates of a node at these shapes: those of matrix products, convolutions (taps over padding
/// included, as usual) and both products of attention.  0 for all else: elementwise work, norms, softmax,
/// pooling and table lookups are not counted, as in `profile` (model/profile.h).  Looks at shapes alone.
std::int64_t multiply_accumulates(const Node& node, const Inputs& inputs, const Outputs& outputs);

/// Bytes that it reads and writes, each once; of what it takes a part of (Gather, Slice) as much as that part
/// has.
std::int64_t bytes_moved(const Node& node, const Inputs& inputs, const Outputs& outputs);

}  // namespace edgeclip::engine
