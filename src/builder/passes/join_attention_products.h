#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The products that give an attention its q, k and v, of one input, as one product.  Returns the number of
/// rewrites.
int join_attention_products(engine::Graph& graph);

}  // namespace edgeclip::builder
