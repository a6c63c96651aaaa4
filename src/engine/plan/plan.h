#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"
#include "engine/plan/plan_shapes.h"

namespace edgeclip::engine {

/// A plan folder (docs/formats.md): plan.json, a file NAME.plan for every graph, and what the model card
/// needs beside them (a tokenizer).
struct PlanInfo {
  std::filesystem::path directory;
  Json card;              ///< the model card, word for word: who runs the plan reads it, not the engine
  std::string precision;  ///< "fp32" | "fp16" | "bf16" | "int8" | "mixed"
  /// Batch profiles, ascending; the last is the largest that runs at once.  Empty only where every graph has
  /// shapes.
  std::vector<int> batches;
  std::int64_t memory_pool_mb = 256;
  std::vector<std::string> graphs;  ///< their names, in the order that they were built in
  /// By graph: the shapes it was built for.  A tower of a dual encoder has none, its batches say it.
  std::map<std::string, GraphShapes> shapes;
  std::string model_hash;  ///< of all graphs and their weights
  Json json;               ///< plan.json

  bool has(const std::string& graph) const;
};

/// Reads plan.json; the files that it lists must be there and as long as it says.  What is in them is checked
/// where they are read, so that nothing is read that is not used.  Throws InvalidInput.
PlanInfo open_plan_info(const std::filesystem::path& directory);

/// One graph of a plan; its weights stay memory-mapped, and are neither read nor checked before a session
/// uses them (read_plan_graph()).  Nothing of the plan's other graphs is read.  Throws InvalidInput if it is
/// damaged, is none of this plan's, or the plan has none of that name.
Graph open_plan_graph(const PlanInfo& plan, const std::string& name);

/// Throws InvalidInput, naming the range and the rebuild, if an input's shape is outside of those that the
/// graph was built for.  inputs: in the graph's order.  A graph without shapes takes any; what does not fit
/// the graph whatever it is built for is left to the context, which says what it expects.
void check_input_shapes(const PlanInfo& plan, const std::string& name, const Graph& graph,
                        const std::vector<Shape>& inputs);

/// Compares every file of the folder with its checksum.  Throws InvalidInput naming the first that differs.
void check_plan_files(const PlanInfo& plan);

/// Writes plan.json beside the graphs' files that lie in info.directory already; fills in model_hash, files
/// and json.  provenance: its history, as in a bundle.
void write_plan_info(PlanInfo& info, const Json& provenance);

/// Ascending, each once.  Throws InvalidInput if there is none or one is out of range.
std::vector<int> batch_profiles(std::vector<int> batches, const std::string& where);
/// Throws InvalidInput unless it is a size of a memory pool.
void check_memory_pool_mb(std::int64_t megabytes, const std::string& where);

}  // namespace edgeclip::engine
