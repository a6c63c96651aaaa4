#include "kernels/scan/packed_queries.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace edgeclip::kernels {

PackedQueries::PackedQueries(const ScanQueries& queries, const ScanForm& form, bool with_codes)
    : count_(queries.count),
      stride_((queries.dim + kQueryUnit - 1) / kQueryUnit * kQueryUnit),
      code_bytes_(form.code_bytes ? 1 : 2) {
  floats_.resize(count_ * stride_ * static_cast<std::int64_t>(sizeof(float)));
  auto* floats = reinterpret_cast<float*>(floats_.data());
  for (std::int64_t q = 0; q < count_; ++q)
    std::copy_n(queries.data + q * queries.dim, queries.dim, floats + q * stride_);
  if (!with_codes) return;
  // Of 16 bits, as large as the sum of a whole row of -128 allows.
  constexpr std::int64_t kInt32 = std::numeric_limits<std::int32_t>::max(),
                         kInt16 = std::numeric_limits<std::int16_t>::max();
  const auto most = static_cast<std::int32_t>(
      form.code_bytes ? 127 : std::clamp<std::int64_t>(kInt32 / (128 * queries.dim), 1, kInt16));
  codes_.resize(count_ * stride_ * code_bytes_);
  std::vector<std::int16_t> codes(static_cast<std::size_t>(stride_));
  for (std::int64_t q = 0; q < count_; ++q) {
    scales_.push_back(quantize_query(queries.data + q * queries.dim, queries.dim, most, codes.data()));
    std::byte* to = codes_.data() + q * stride_ * code_bytes_;
    if (form.code_bytes)
      std::copy(codes.begin(), codes.end(), reinterpret_cast<std::int8_t*>(to));
    else
      std::copy(codes.begin(), codes.end(), reinterpret_cast<std::int16_t*>(to));
    offsets_.push_back(form.code_bytes ? 128 * std::accumulate(codes.begin(), codes.end(), 0) : 0);
  }
}

}  // namespace edgeclip::kernels
