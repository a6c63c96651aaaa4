#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/scan/query_codes.h"

/// What an instruction set contributes to a scan: scores of a block of rows with a group of queries.
namespace edgeclip::kernels {

/// Rows of a block, which are scored with all queries while they lie in the second-level cache.
inline constexpr int kBlockRows = 64;
/// Queries of a group at most.
inline constexpr int kMostGroup = 6;
/// A query's floats and codes are padded with zeros to a multiple of so many.
inline constexpr std::int64_t kQueryUnit = 64;

/// Bytes [from, to) of each of the rows that are next, to be brought into the second-level cache meanwhile.
struct Ahead {
  const std::byte* const* rows = nullptr;  ///< kBlockRows
  std::int64_t from = 0, to = 0;
};

/// A block of rows by a group of queries.
struct BlockTask {
  const std::byte* const* rows = nullptr;  ///< kBlockRows pointers; those behind `count` repeat one
  int count = 0;                           ///< at most kBlockRows
  std::int64_t dim = 0;
  int queries = 0;                 ///< of the group
  std::int64_t query_stride = 0;   ///< elements: a multiple of kQueryUnit
  Ahead ahead;
};

/// scores[c * kBlockRows + r]; what is behind `count` rows is overwritten.  queries: 64-byte aligned, padded.
using FloatScores = void (*)(const BlockTask& task, const float* queries, float* scores);
/// The same of int8 rows by codes, sums[(1 + c) * kBlockRows + r]: exact, with `offset` of the query to be taken off.
/// Before them, if asked for, sums of the rows' magnitudes.
using CodeSums = void (*)(const BlockTask& task, const void* codes, bool with_magnitudes, std::int32_t* sums);
/// to[r * stride + d] of float16 rows; zeros for d in [dim, stride).
using WidenRows = void (*)(const std::byte* const* rows, int count, std::int64_t dim, std::int64_t stride, float* to);
/// Bit r: scores[r] >= floor.  All of kBlockRows are read.
using AtLeast = std::uint64_t (*)(const float* scores, float floor);
/// Bit r: unless scale[r] * (step * (sums[r] - offset) + slack * magnitudes[r]) < floor.
using MayReach = std::uint64_t (*)(const std::int32_t* sums, std::int32_t offset, const QueryCodes& codes,
                                   const std::int32_t* magnitudes, const float* scale, float floor);

struct ScanForm {
  const char* name = "";
  int group = 0;       ///< queries of a group
  int code_group = 0;  ///< of CodeSums
  FloatScores f32 = nullptr, f16 = nullptr, s8 = nullptr;  ///< of rows as they are, s8 without their scale
  WidenRows widen = nullptr;
  AtLeast at_least = nullptr;
  bool code_bytes = false;  ///< codes are int8, and offset is 128 times their sum; else int16, and offset 0
  CodeSums code_sums = nullptr;
  MayReach may_reach = nullptr;
};

// One source per instruction set.
namespace portable {
extern const ScanForm kScan;
}
#if defined(__x86_64__)
namespace avx2 {
extern const ScanForm kScan;
}
namespace avx512 {
extern const ScanForm kScan;
}
namespace avx512_vnni {
extern const ScanForm kScan;
}
#endif

}  // namespace edgeclip::kernels
