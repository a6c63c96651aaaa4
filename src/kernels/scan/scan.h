#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/executor.h"

/// Exact search by inner product: scores of many rows with a few queries, and the best of them.
///
/// A score is a sum in one order, which is part of the interface (docs/numerics.md): sixteen running sums, of the
/// elements d = l, l + 16, ... for l < 16 (zeros behind the row's end), each by fused multiply-adds from zero
/// on; then l + 8, l + 4, l + 2, l + 1 are added to l.  So a score has the same bits by each instruction set, for
/// any number of threads, whatever the other queries, the mask or the other rows are.
namespace edgeclip::kernels {

enum class ScanType : std::uint8_t {
  f32,
  f16,  ///< IEEE binary16: scored as the float32 numbers that they are
  s8    ///< with a factor for each row: scale * (the sum over the integers as float32), rounded once more
};
std::int64_t scan_bytes(ScanType type);  ///< of an element

/// Rows to be searched, (N, D) row-major without gaps, of any alignment (a mapped file).
struct ScanRows {
  ScanType type = ScanType::f32;
  const void* data = nullptr;
  const float* scale = nullptr;  ///< (N), of s8 alone
  std::int64_t rows = 0;         ///< N, at least 0
  std::int64_t dim = 0;          ///< D, at least 1
  /// Bit i % 64 of word i / 64 is set for row i to be looked at, ceil(N / 64) words; null: all are.  Rows that are
  /// not are not read.
  const std::uint64_t* mask = nullptr;
  std::int64_t first = 0;  ///< what row 0 is called in results
};

/// (Q, D) float32, row-major.
struct ScanQueries {
  const float* data = nullptr;
  std::int64_t count = 0;  ///< Q, at least 0
  std::int64_t dim = 0;
};

struct ScanHit {
  std::int64_t item = 0;  ///< ScanRows::first + row
  float score = 0;
  bool operator==(const ScanHit&) const = default;
};

/// The order of results: higher scores first, of equal ones (0 and -0 are) the lower item.
inline bool better(const ScanHit& a, const ScanHit& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

struct ScanOptions {
  std::int64_t top = 10;                                      ///< K: at most so many per query, at least 1
  float threshold = -std::numeric_limits<float>::infinity();  ///< least score of a result; not NaN
  /// Asked between parts of some megabytes, by any thread: true ends the search.  May throw instead.
  std::function<bool()> stopped = nullptr;
};

/// The K best rows of each query over all parts of a gallery, best first; fewer where there are no more.  A score
/// that is NaN is no result.  Parts may be of several types, and name no item twice.
///
/// s8 rows are passed over by a bound on their score from integer products, and those that may be among the
/// best are scored as above: the result is exactly that of scoring all of them.
///
/// Lists are empty if `stopped` said so.  Rows are divided over the executor's threads whatever the number of
/// queries.  Allocates what the results, the queries and K hits per query and thread take.  Thread-safe.
std::vector<std::vector<ScanHit>> top_k(Executor& executor, std::span<const ScanRows> gallery,
                                        const ScanQueries& queries, const ScanOptions& options,
                                        CpuLevel level = cpu_level());

/// All scores: scores[q * rows.rows + r], (Q, N).  What the mask leaves out is -inf.  Thread-safe.
void score_rows(Executor& executor, const ScanRows& rows, const ScanQueries& queries, float* scores,
                CpuLevel level = cpu_level());

/// "avx512_vnni", "avx512", "avx2", "portable": the form that both take at a level for so many queries.
std::string scan_form(std::int64_t queries, CpuLevel level = cpu_level());

/// The readable forms, one thread.
float reference_score(const ScanRows& rows, std::int64_t row, const float* query);
std::vector<std::vector<ScanHit>> reference_top_k(std::span<const ScanRows> gallery, const ScanQueries& queries,
                                                  const ScanOptions& options);

}  // namespace edgeclip::kernels
