#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// See the drawing in the source file.
int requantize(engine::Graph& graph);

}  // namespace edgeclip::builder
