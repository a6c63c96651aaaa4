#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/build_plan.h"
#include "builder/dump_graph.h"
#include "builder/quantize/quantize_graph.h"

namespace edgeclip::builder {

/// Shapes that a graph is made ready for before it is written.
struct GraphProfile {
  std::string name;           ///< its key in the report: "8", "max"
  std::vector<Shape> shapes;  ///< of the inputs, in the graph's order
};

/// One graph of a plan.
struct GraphToBuild {
  std::string name;     ///< in the plan, and of its file
  std::string label;    ///< for messages: "image tower"
  std::string where;    ///< what was named on the command line, for messages
  std::string folder;   ///< of its --dump-graph, below --dump-dir
  engine::Graph graph;  ///< as imported
  std::vector<GraphProfile> profiles;
  std::optional<GraphQuantization> quantization;  ///< int8, mixed: of a float32 graph
  std::vector<Shape> usual;  ///< shapes of most runs: those at which the kernels of layers are looked at
};

/// Optimizes the graph, checks every profile against the memory pool and writes plan/NAME.plan; returns its
/// part of the report: {"nodes_imported", "nodes", "passes", "arena_bytes" (by profile), "reference_layers",
/// "bytes"}, and for int8 and mixed those of layers_report().  Throws InvalidInput if a profile does not fit,
/// CheckNotMet for --strict.
Json build_graph(GraphToBuild what, const BuildOptions& options, const std::filesystem::path& plan,
                 GraphDump& dump);

}  // namespace edgeclip::builder
