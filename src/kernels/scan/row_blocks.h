#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/scan/scan.h"
#include "kernels/scan/scan_task.h"

namespace edgeclip::kernels {

/// Rows that are scored together: whichever are next of those that the mask has.
struct RowBlock {
  int count = 0;
  std::int64_t row[kBlockRows];       ///< in ScanRows
  const std::byte* data[kBlockRows];  ///< those behind count repeat the last one
};

/// The rows [begin, end) of a mask, block by block.
class RowBlocks {
 public:
  /// once: rows are scored once and not again, so that their block need not be large.
  RowBlocks(const ScanRows& rows, std::int64_t begin, std::int64_t end, bool once)
      : rows_(rows), at_(begin), end_(end), bytes_(rows.dim * scan_bytes(rows.type)), most_(most_rows(rows, once)) {}

  /// Count 0 behind the last.
  void next(RowBlock& block) {
    block.count = 0;
    if (rows_.mask == nullptr) {
      while (at_ < end_ && block.count < most_) take(block, at_++);
    } else {
      while (at_ < end_ && block.count < most_) {
        const std::uint64_t bits = rows_.mask[at_ / 64] >> (at_ % 64);
        if (bits == 0) {
          at_ = (at_ / 64 + 1) * 64;
          continue;
        }
        at_ += std::countr_zero(bits);
        if (at_ < end_) take(block, at_++);
      }
    }
    if (block.count > 0) std::fill(block.data + block.count, block.data + kBlockRows, block.data[block.count - 1]);
  }

 private:
  /// So many that a block lies in the second-level cache with the next one, beside queries.
  static int most_rows(const ScanRows& rows, bool once) {
    constexpr std::int64_t kLeast = 4;
    const std::int64_t bytes = (once ? 16 : 64) * 1024,
                       element = rows.type == ScanType::f16 && !once ? 4 : scan_bytes(rows.type);  // widened
    return static_cast<int>(std::clamp<std::int64_t>(bytes / (rows.dim * element) / kLeast * kLeast, kLeast, kBlockRows));
  }
  void take(RowBlock& block, std::int64_t row) {
    block.row[block.count] = row;
    block.data[block.count++] = static_cast<const std::byte*>(rows_.data) + row * bytes_;
  }

  const ScanRows& rows_;
  std::int64_t at_, end_, bytes_;
  int most_;
};

}  // namespace edgeclip::kernels
