#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// A plan folder (docs/formats.md): plan.json, a file NAME.plan for every graph, and what the model card
/// needs beside them (a tokenizer).
struct PlanInfo {
  std::filesystem::path directory;
  Json card;                 ///< the model card, word for word: who runs the plan reads it, not the engine
  std::string precision;     ///< "fp32" | "fp16" | "bf16" | "int8"
  std::vector<int> batches;  ///< batch profiles, ascending; the last is the largest that runs at once
  std::int64_t memory_pool_mb = 256;
  std::vector<std::string> graphs;  ///< their names, in the order that they were built in
  std::string model_hash;           ///< of all graphs and their weights
  Json json;                        ///< plan.json

  bool has(const std::string& graph) const;
};

/// Reads plan.json; the files that it lists must be there and as long as it says.  What is in them is checked
/// where they are read, so that nothing is read that is not used.  Throws InvalidInput.
PlanInfo open_plan_info(const std::filesystem::path& directory);

/// One graph of a plan; its weights stay memory-mapped.  Throws InvalidInput if it is damaged, is none of
/// this plan's, or the plan has none of that name.
Graph open_plan_graph(const PlanInfo& plan, const std::string& name);

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
