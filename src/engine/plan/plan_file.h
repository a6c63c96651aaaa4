#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/graph/graph.h"

namespace edgeclip::engine {

/// Version of the .plan file and of plan.json: one number, since they are written together.
inline constexpr std::uint32_t kPlanFormat = 3;

/// Weights start at, and every constant is aligned to, this many bytes.
inline constexpr std::uint64_t kPlanAlignment = 64;

/// Weights are checked in blocks of this many bytes; the last may be shorter.
inline constexpr std::uint64_t kPlanBlock = std::uint64_t{1} << 20;

/// A checksum as it lies in the file: XXH3-128 in hex (base/hash.h).
inline constexpr std::uint64_t kPlanHashBytes = 32;

/// The start of a .plan file, little endian.  The graph follows at once, zeros up to the next multiple of 64,
/// the weights, the checksum of every block of weights, the checksum of this header and that table.  So a file
/// is written from front to back, the weights once.
struct PlanHeader {
  char magic[8] = {'E', 'C', 'P', 'L', 'A', 'N', 0, 0};
  std::uint32_t format = kPlanFormat;
  std::uint32_t header_bytes = 0;  ///< sizeof(PlanHeader): where the graph starts
  std::uint64_t graph_bytes = 0;
  std::uint64_t weights_offset = 0;  ///< from the start of the file
  std::uint64_t weights_bytes = 0;   ///< up to the table
  std::uint64_t block_bytes = kPlanBlock;
  char graph_hash[kPlanHashBytes] = {};

  /// Of the weights; block_bytes is not 0.
  std::uint64_t blocks() const { return weights_bytes / block_bytes + (weights_bytes % block_bytes != 0); }
};
static_assert(sizeof(PlanHeader) == 80, "written as it lies in memory");

/// What to do about a plan of another version.
inline constexpr const char* kPlanRemedy =
    "build it again: edgeclip-edge build --bundle BUNDLE --out PLAN (of an ONNX file: edgeclip-edge build "
    "MODEL.onnx --out PLAN)";

/// Reads header, table and graph of a .plan file.  Weights stay memory-mapped and are not read: the graph's
/// source checks those that are used (Graph::verify_constants()).  Throws InvalidInput if the file is damaged,
/// or was made so that it could not run.
Graph read_plan_graph(const std::filesystem::path& file);

/// Writes constants one by one, as they lie in memory.
void write_plan_graph(const std::filesystem::path& file, const Graph& graph);

/// Identifies graph and weights, by the checksums in the file: cheap.  Throws InvalidInput if they are not
/// sound.
std::string plan_graph_hash(const std::filesystem::path& file);

}  // namespace edgeclip::engine
