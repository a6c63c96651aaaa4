#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/scan/packed_queries.h"
#include "kernels/scan/row_blocks.h"
#include "kernels/scan/scan.h"
#include "kernels/scan/scan_task.h"
#include "kernels/scan/selection.h"

namespace edgeclip::kernels {

/// Scores blocks of rows with all queries, in one thread, group of queries by group.  While a block is scored,
/// the rows of the next one are on their way.
class BlockScorer {
 public:
  BlockScorer(const ScanForm& form, const PackedQueries& queries);

  /// Whether all queries are one group.
  bool once(ScanType type) const {
    return queries_.count() <= (type == ScanType::s8 ? std::min(form_.group, form_.code_group) : form_.group);
  }

  /// given(q, score), kBlockRows scores of which those of the block's rows count.
  template <class Given>
  void score(const ScanRows& rows, const RowBlock& block, const RowBlock& next, const Given& given) {
    const bool widened = rows.type == ScanType::f16 && !once(rows.type);
    const std::byte* const* data = widened ? widen(rows, block) : block.data;
    const FloatScores scores = widened ? form_.f32 : of(rows.type);
    if (rows.type == ScanType::s8) take_scales(rows, block);
    for (std::int64_t q = 0; q < queries_.count(); q += form_.group) {
      const BlockTask task = task_of(rows, block, data, next, q, form_.group);
      scores(task, queries_.floats(q), scores_.data());
      for (int i = 0; i < task.queries; ++i) {
        float* of_query = scores_.data() + i * kBlockRows;
        if (rows.type == ScanType::s8)
          for (int r = 0; r < block.count; ++r) of_query[r] *= scales_[r];
        given(q + i, static_cast<const float*>(of_query));
      }
    }
  }

  /// What of a block is among the best, into best[q].
  void select(const ScanRows& rows, const RowBlock& block, const RowBlock& next, std::vector<Selection>& best);

 private:
  FloatScores of(ScanType type) const {
    return type == ScanType::f32 ? form_.f32 : type == ScanType::f16 ? form_.f16 : form_.s8;
  }
  BlockTask task_of(const ScanRows& rows, const RowBlock& block, const std::byte* const* data, const RowBlock& next,
                    std::int64_t q, int group) const;
  const std::byte* const* widen(const ScanRows& rows, const RowBlock& block);
  void take_scales(const ScanRows& rows, const RowBlock& block);
  void select_by_codes(const ScanRows& rows, const RowBlock& block, const RowBlock& next, std::vector<Selection>& best);
  /// Of some rows of a block of int8: bit r.
  void score_some(const ScanRows& rows, const RowBlock& block, std::uint64_t some, std::int64_t q, Selection& best);

  const ScanForm& form_;
  const PackedQueries& queries_;
  std::vector<float> scores_;        ///< [group][kBlockRows]
  std::vector<std::int32_t> sums_;  ///< [1 + code_group][kBlockRows]: magnitudes of rows, and products with codes
  AlignedBytes widened_rows_;       ///< of float16
  const std::byte* widened_[kBlockRows] = {};
  float scales_[kBlockRows] = {}, bound_scales_[kBlockRows] = {};
};

}  // namespace edgeclip::kernels
