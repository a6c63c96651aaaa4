#include "kernels/scan/scan.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/error.h"
#include "kernels/scan/block_scorer.h"

namespace edgeclip::kernels {

namespace {

/// So few queries wait for memory, and AVX-512 waits longer than AVX2: 78 % and 90 % of what one query could read
/// (Zen 5, two threads).  The bits are the same.
constexpr std::int64_t kFewQueries = 2;

const ScanForm& form_at(CpuLevel level, std::int64_t queries) {
#if defined(__x86_64__)
  if (queries <= kFewQueries && level >= CpuLevel::avx2 && level <= CpuLevel::amx) return avx2::kScan;
  switch (level) {
    case CpuLevel::avx2:
    case CpuLevel::avx_vnni:
      return avx2::kScan;
    case CpuLevel::avx512:
      return avx512::kScan;
    case CpuLevel::avx512_vnni:
    case CpuLevel::avx512_bf16:
    case CpuLevel::amx:
      return avx512_vnni::kScan;
    default:
      break;
  }
#endif
  return portable::kScan;
}

/// What one thread takes at a time.
struct Part {
  const ScanRows* rows;
  std::int64_t begin, end;
};

/// Some megabytes, so that what is lost at their ends is small, and several for each thread.
std::int64_t part_rows(const ScanRows& rows, int threads) {
  constexpr std::int64_t kBytes = std::int64_t{4} << 20, kPartsPerThread = 4;
  const std::int64_t most = kBytes / (rows.dim * scan_bytes(rows.type)),
                     even = (rows.rows + kPartsPerThread * threads - 1) / (kPartsPerThread * threads);
  return std::max<std::int64_t>((std::min(most, even) + kBlockRows - 1) / kBlockRows, 1) * kBlockRows;
}

std::vector<Part> parts_of(std::span<const ScanRows> gallery, int threads) {
  std::vector<Part> parts;
  for (const ScanRows& rows : gallery) {
    const std::int64_t step = part_rows(rows, threads);
    for (std::int64_t begin = 0; begin < rows.rows; begin += step)
      parts.push_back({&rows, begin, std::min(rows.rows, begin + step)});
  }
  return parts;
}

void check(const ScanRows& rows, const ScanQueries& queries) {
  EDGECLIP_CHECK(rows.dim >= 1 && (queries.count == 0 || rows.dim == queries.dim),
                 "rows of {} elements, queries of {}", rows.dim, queries.dim);
  EDGECLIP_CHECK(rows.type != ScanType::s8 || rows.scale != nullptr || rows.rows == 0, "int8 rows without factors");
}

template <class Body>
void each_block(const Part& part, const BlockScorer& scorer, const Body& body) {
  RowBlocks blocks(*part.rows, part.begin, part.end, scorer.once(part.rows->type));
  RowBlock two[2];
  blocks.next(two[0]);
  for (int i = 0; two[i].count > 0; i = 1 - i) {
    blocks.next(two[1 - i]);
    body(two[i], two[1 - i]);
  }
}

}  // namespace

std::int64_t scan_bytes(ScanType type) { return type == ScanType::f32 ? 4 : type == ScanType::f16 ? 2 : 1; }

std::string scan_form(std::int64_t queries, CpuLevel level) { return form_at(level, queries).name; }

std::vector<std::vector<ScanHit>> top_k(Executor& executor, std::span<const ScanRows> gallery,
                                        const ScanQueries& queries, const ScanOptions& options, CpuLevel level) {
  EDGECLIP_CHECK(options.top >= 1 && !std::isnan(options.threshold), "top {}, threshold {}", options.top,
                 options.threshold);
  std::int64_t rows = 0;
  bool integers = false;
  for (const ScanRows& some : gallery) {
    check(some, queries);
    rows += some.rows;
    integers = integers || some.type == ScanType::s8;
  }
  std::vector<std::vector<ScanHit>> results(static_cast<std::size_t>(queries.count));
  if (rows == 0 || queries.count == 0) return results;
  const ScanForm& form = form_at(level, queries.count);
  const PackedQueries packed(queries, form, integers);
  const std::vector<Part> parts = parts_of(gallery, executor.threads());
  const auto tasks = static_cast<std::int64_t>(parts.size()),
             workers = std::min<std::int64_t>(executor.threads(), tasks);
  const Selection none(std::min(options.top, rows), options.threshold);
  // A body per thread, which keeps the best of all parts that it takes.
  std::vector<std::vector<Selection>> best(static_cast<std::size_t>(workers));
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> stopped{false};
  executor.run(workers, [&](std::int64_t worker) {
    auto& mine = best[static_cast<std::size_t>(worker)];
    mine.assign(static_cast<std::size_t>(queries.count), none);
    BlockScorer scorer(form, packed);
    try {
      for (std::int64_t t = next++; t < tasks && !stopped; t = next++) {
        if (options.stopped && options.stopped()) stopped = true;
        if (stopped) return;
        const Part& part = parts[static_cast<std::size_t>(t)];
        each_block(part, scorer, [&](const RowBlock& block, const RowBlock& following) {
          scorer.select(*part.rows, block, following, mine);
        });
      }
    } catch (...) {
      stopped = true;  // the others too
      throw;
    }
  });
  if (stopped) return results;
  for (std::size_t q = 0; q < results.size(); ++q) {
    Selection& all = best[0][q];
    for (std::size_t worker = 1; worker < best.size(); ++worker)
      for (const ScanHit& hit : best[worker][q].hits()) all.offer(hit);
    results[q] = all.sorted();
  }
  return results;
}

void score_rows(Executor& executor, const ScanRows& rows, const ScanQueries& queries, float* scores, CpuLevel level) {
  check(rows, queries);
  if (rows.rows == 0 || queries.count == 0) return;
  const ScanForm& form = form_at(level, queries.count);
  const PackedQueries packed(queries, form, false);
  const std::vector<Part> parts = parts_of({&rows, 1}, executor.threads());
  executor.run(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
    const Part& part = parts[static_cast<std::size_t>(i)];
    BlockScorer scorer(form, packed);
    if (rows.mask != nullptr)
      for (std::int64_t q = 0; q < queries.count; ++q)
        std::fill(scores + q * rows.rows + part.begin, scores + q * rows.rows + part.end,
                  -std::numeric_limits<float>::infinity());
    each_block(part, scorer, [&](const RowBlock& block, const RowBlock& following) {
      scorer.score(rows, block, following, [&](std::int64_t q, const float* of_query) {
        for (int r = 0; r < block.count; ++r) scores[q * rows.rows + block.row[r]] = of_query[r];
      });
    });
  });
}

}  // namespace edgeclip::kernels
