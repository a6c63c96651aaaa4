#include "kernels/scan/block_scorer.h"

#include <bit>
#include <cmath>
#include <limits>

namespace edgeclip::kernels {

namespace {

constexpr std::int64_t kLine = 64;

/// Bits of the rows that a block has.
std::uint64_t rows_of(const RowBlock& block) {
  return block.count == kBlockRows ? ~std::uint64_t{0} : (std::uint64_t{1} << block.count) - 1;
}

}  // namespace

BlockScorer::BlockScorer(const ScanForm& form, const PackedQueries& queries)
    : form_(form),
      queries_(queries),
      scores_(static_cast<std::size_t>(form.group * kBlockRows)),
      sums_(static_cast<std::size_t>((1 + form.code_group) * kBlockRows)) {}

BlockTask BlockScorer::task_of(const ScanRows& rows, const RowBlock& block, const std::byte* const* data,
                               const RowBlock& next, std::int64_t q, int group) const {
  BlockTask task{data, block.count, rows.dim, static_cast<int>(std::min<std::int64_t>(group, queries_.count() - q)),
                 queries_.stride(), {next.data, 0, 0}};
  if (next.count == 0) return task;
  // Each group of queries brings its share of the next rows.
  const std::int64_t bytes = rows.dim * scan_bytes(rows.type), lines = (bytes + kLine - 1) / kLine,
                     groups = (queries_.count() + group - 1) / group, i = q / group;
  task.ahead.from = lines * i / groups * kLine;
  task.ahead.to = lines * (i + 1) / groups * kLine;
  return task;
}

const std::byte* const* BlockScorer::widen(const ScanRows& rows, const RowBlock& block) {
  const std::int64_t stride = (rows.dim + 15) / 16 * 16;
  const std::int64_t bytes = stride * static_cast<std::int64_t>(sizeof(float));
  if (widened_rows_.size() < kBlockRows * bytes) widened_rows_.resize(kBlockRows * bytes);
  form_.widen(block.data, block.count, rows.dim, stride, reinterpret_cast<float*>(widened_rows_.data()));
  for (int r = 0; r < kBlockRows; ++r) widened_[r] = widened_rows_.data() + std::min(r, block.count - 1) * bytes;
  return widened_;
}

void BlockScorer::take_scales(const ScanRows& rows, const RowBlock& block) {
  for (int r = 0; r < block.count; ++r) {
    scales_[r] = rows.scale[block.row[r]];
    // The bound is one of positive factors; by NaN each other row may be among the best.
    bound_scales_[r] = scales_[r] >= 0 ? scales_[r] : std::numeric_limits<float>::quiet_NaN();
  }
}

void BlockScorer::select(const ScanRows& rows, const RowBlock& block, const RowBlock& next,
                         std::vector<Selection>& best) {
  if (rows.type == ScanType::s8) {
    select_by_codes(rows, block, next, best);
    return;
  }
  const std::uint64_t here = rows_of(block);
  score(rows, block, next, [&](std::int64_t q, const float* scores) {
    Selection& of_query = best[static_cast<std::size_t>(q)];
    for (std::uint64_t bits = form_.at_least(scores, of_query.floor()) & here; bits != 0; bits &= bits - 1) {
      const int r = std::countr_zero(bits);
      of_query.offer({rows.first + block.row[r], scores[r]});
    }
  });
}

void BlockScorer::select_by_codes(const ScanRows& rows, const RowBlock& block, const RowBlock& next,
                                  std::vector<Selection>& best) {
  const std::uint64_t here = rows_of(block);
  take_scales(rows, block);
  const bool coded = rows.dim <= kLongestCoded;
  for (std::int64_t q = 0; q < queries_.count(); q += form_.code_group) {
    const BlockTask task = task_of(rows, block, block.data, next, q, form_.code_group);
    if (coded) form_.code_sums(task, queries_.codes(q), q == 0, sums_.data());
    for (int i = 0; i < task.queries; ++i) {
      Selection& of_query = best[static_cast<std::size_t>(q + i)];
      const QueryCodes& codes = queries_.scale(q + i);
      std::uint64_t some = here;
      if (std::isfinite(codes.slack))
        some &= form_.may_reach(sums_.data() + (1 + i) * kBlockRows, queries_.offset(q + i), codes, sums_.data(),
                                bound_scales_, of_query.floor());
      if (some != 0) score_some(rows, block, some, q + i, of_query);
    }
  }
}

void BlockScorer::score_some(const ScanRows& rows, const RowBlock& block, std::uint64_t some, std::int64_t q,
                             Selection& best) {
  const std::byte* data[kBlockRows];
  int at[kBlockRows], count = 0;
  for (std::uint64_t bits = some; bits != 0; bits &= bits - 1) {
    at[count] = std::countr_zero(bits);
    data[count] = block.data[at[count]];
    ++count;
  }
  std::fill(data + count, data + kBlockRows, data[count - 1]);
  float scores[kBlockRows];
  form_.s8({data, count, rows.dim, 1, queries_.stride(), {data, 0, 0}}, queries_.floats(q), scores);
  for (int i = 0; i < count; ++i) best.offer({rows.first + block.row[at[i]], scales_[at[i]] * scores[i]});
}

}  // namespace edgeclip::kernels
