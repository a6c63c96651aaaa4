#pragma once

#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// The rewrite drawn in select_rows.cpp.  Returns the number of selections that moved.
int select_rows(engine::Graph& graph);

}  // namespace edgeclip::builder
