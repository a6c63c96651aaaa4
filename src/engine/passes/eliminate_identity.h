#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// Takes out nodes that give their input back.  Returns how many.
int eliminate_identity(Graph& graph);

}  // namespace edgeclip::engine
