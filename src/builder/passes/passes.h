#pragma once

#include <string>
#include <vector>

#include "engine/graph/graph.h"

namespace edgeclip::builder {

struct PassReport {
  std::string name;
  int rewrites = 0;
};

/// All passes in their order (the list in passes.cpp says why this order), until nothing changes.
std::vector<PassReport> optimize(engine::Graph& graph);

/// Runs only constant folding: how many nodes it removed (0 on our own exports; a test says so).
int fold_constants(engine::Graph& graph);

}  // namespace edgeclip::builder
