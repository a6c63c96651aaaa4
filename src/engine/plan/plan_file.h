#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// Version of the .plan file and of plan.json: one number, since they are written together.
inline constexpr std::uint32_t kPlanFormat = 2;

/// Weights start at, and every constant is aligned to, this many bytes.
inline constexpr std::uint64_t kPlanAlignment = 64;

/// The start of a .plan file, little endian.  The graph follows at once, zeros up to the next multiple of 64,
/// the weights.
struct PlanHeader {
  char magic[8] = {'E', 'C', 'P', 'L', 'A', 'N', 0, 0};
  std::uint32_t format = kPlanFormat;
  std::uint32_t header_bytes = 0;  ///< sizeof(PlanHeader): where the graph starts
  std::uint64_t graph_bytes = 0;
  std::uint64_t weights_offset = 0;  ///< from the start of the file
  std::uint64_t weights_bytes = 0;   ///< up to the end of the file
  char graph_hash[32] = {};          ///< XXH3-128 in hex (base/hash.h)
  char weights_hash[32] = {};
};
static_assert(sizeof(PlanHeader) == 104, "written as it lies in memory");

/// What to do about a plan of another version.
inline constexpr const char* kPlanRemedy = "build it again: edgeclip-edge build --bundle BUNDLE --out PLAN";

/// Reads a whole .plan file; weights stay memory-mapped.  Throws InvalidInput if it is damaged, or was made
/// so that it could not run.
Graph read_plan_graph(const std::filesystem::path& file);

/// Writes constants one by one, as they lie in memory.
void write_plan_graph(const std::filesystem::path& file, const Graph& graph);

/// Identifies graph and weights, by the checksums in the header: cheap.  Throws InvalidInput if it is no
/// header.
std::string plan_graph_hash(const std::filesystem::path& file);

}  // namespace edgeclip::engine
