#pragma once

#include <cstdint>

namespace edgeclip::engine {

/// Version of the .plan file and of plan.json: one number, since they are written together.
inline constexpr std::uint32_t kPlanFormat = 1;

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

}  // namespace edgeclip::engine
