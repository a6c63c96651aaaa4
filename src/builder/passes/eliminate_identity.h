#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Takes out nodes that give their input back.  Returns how many.
int eliminate_identity(engine::Graph& graph);

}  // namespace edgeclip::builder
