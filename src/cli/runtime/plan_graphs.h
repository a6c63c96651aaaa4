#pragma once

#include "base/json.h"
#include "engine/plan/plan.h"

namespace edgeclip {

/// What is in a plan's graphs and how this machine runs them, by graph:
/// {"nodes", "inputs" and "outputs" ({name: {"dtype", "shape" (dynamic dimensions by name, or "?"), of a
/// graph
///  with ranges "min" "opt" "max"}}),
///  "memory": {"file_bytes" (mapped), "packed_bytes" (weights kept for this CPU besides), "profiles": {name:
///  {"shapes", "activation_bytes", "scratch_bytes"}}},
///  "layers": [{"name", "op", "domain", "kernel", "precision", "origins" (ONNX nodes), "output"}]}
/// Profiles are those that the plan was built for: min, opt and max, or batches of full size; layers are
/// those at opt or a batch's smallest.  A graph that says neither has no profiles and no layers. Makes every
/// graph ready, which takes as long, and as much memory, as loading it to run.
Json plan_graphs(const engine::PlanInfo& plan);

}  // namespace edgeclip
