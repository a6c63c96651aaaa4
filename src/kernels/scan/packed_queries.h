#pragma once

#include <cstdint>
#include <vector>

#include "kernels/scan/aligned_bytes.h"
#include "kernels/scan/scan.h"
#include "kernels/scan/scan_task.h"

namespace edgeclip::kernels {

/// Queries as a form reads them: 64-byte aligned, with zeros behind each; and as integers for int8 rows.
class PackedQueries {
 public:
  PackedQueries(const ScanQueries& queries, const ScanForm& form, bool with_codes);

  std::int64_t count() const { return count_; }
  std::int64_t stride() const { return stride_; }
  const float* floats(std::int64_t q) const { return reinterpret_cast<const float*>(floats_.data()) + q * stride_; }
  const void* codes(std::int64_t q) const { return codes_.data() + q * stride_ * code_bytes_; }
  const QueryCodes& scale(std::int64_t q) const { return scales_[static_cast<std::size_t>(q)]; }
  /// What is to be taken off the sums by codes.
  std::int32_t offset(std::int64_t q) const { return offsets_[static_cast<std::size_t>(q)]; }

 private:
  std::int64_t count_, stride_, code_bytes_;
  AlignedBytes floats_, codes_;
  std::vector<QueryCodes> scales_;
  std::vector<std::int32_t> offsets_;
};

}  // namespace edgeclip::kernels
