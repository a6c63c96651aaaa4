#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"

/// Graphs as people and scripts read them: what --dump-graph writes.
namespace edgeclip::builder {

/// GraphViz's DOT: a box per node (operator, name, constants), an edge per value with type and shape.
std::string graph_dot(const engine::Graph& graph);

/// {"kind", "graph", "inputs", "outputs", "constants" (each a list of {"name", "dtype", "shape"}), "nodes":
/// [{"name", "op", "domain", "opset", "inputs" (names; null: left out), "outputs" (as above), "attributes"
/// (of tensors type and shape alone), "origins"}]}.  A dimension is a number, the name of a symbolic one, or
/// null; a shape is null where not even the rank is known.
Json graph_json(const engine::Graph& graph);

/// The graphs that --dump-graph asks for.  They are kept as text and written when the work is done, so that a
/// command that fails leaves nothing.
class GraphDump {
 public:
  /// stages: "before" and "after" the rewrites, with a comma between, or "" for none; directory: where.
  /// folders: below it, one per graph ("": in it).  inputs: files that are never replaced.  Throws
  /// InvalidInput for an unknown stage, a missing directory, or files there that edgeclip did not write.
  GraphDump(const std::string& stages, const std::string& directory, const std::vector<std::string>& folders,
            const std::vector<std::string>& inputs);

  /// Keeps the graph if its stage is asked for.  folder: one of those given.
  void add(const std::string& stage, const engine::Graph& graph, const std::string& folder = "");
  /// Writes what was kept, as graph-STAGE.dot and graph-STAGE.json.
  void write();

 private:
  std::vector<std::string> stages_;
  const std::string directory_;
  std::vector<std::pair<std::string, std::string>> files_;  ///< path below the directory, text
};

}  // namespace edgeclip::builder
