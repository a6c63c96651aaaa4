#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/dump_graph.h"
#include "engine/plan/plan.h"

namespace edgeclip {

/// What `run` runs: an ONNX file, a plan folder or a .plan file.
struct RunnableModel {
  engine::Graph graph;
  std::optional<engine::PlanInfo> plan;  ///< that the graph is of
  std::string name;                      ///< in the plan
};

/// Whether the path names a plan, whose precision is its own.
bool is_plan(const std::string& path);

/// Opens it.  graph: which of a plan's graphs, "" where there is one.  An ONNX file is optimized, unless it
/// is to run as it is (plain), and made `precision` (builder/precision/); the graph before and after goes to
/// the dump.  Throws InvalidInput.
RunnableModel open_runnable(const std::string& path, const std::string& graph, bool plain,
                            const std::string& precision, builder::GraphDump& dump);

/// The arrays of --input NAME=F.npy in the graph's order.  Throws InvalidInput.
std::vector<Tensor> read_inputs(const engine::Graph& graph, const std::vector<std::string>& given);

}  // namespace edgeclip
