#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/float16.h"
#include "kernels/scan/scan.h"

namespace edgeclip::kernels {

namespace {

/// Element d of a row, which may lie anywhere.
float element(const ScanRows& rows, std::int64_t row, std::int64_t d) {
  const auto* at = static_cast<const std::byte*>(rows.data) + (row * rows.dim + d) * scan_bytes(rows.type);
  switch (rows.type) {
    case ScanType::f16: {
      std::uint16_t bits;
      std::memcpy(&bits, at, sizeof bits);
      return static_cast<float>(Half::of_bits(bits));
    }
    case ScanType::s8:
      return static_cast<float>(static_cast<std::int8_t>(*at));
    case ScanType::f32:
      break;
  }
  float value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

float reference_score(const ScanRows& rows, std::int64_t row, const float* query) {
  constexpr int kLanes = 16;
  float sums[kLanes] = {};
  for (std::int64_t d = 0; d < (rows.dim + kLanes - 1) / kLanes * kLanes; ++d) {
    float& sum = sums[d % kLanes];
    sum = d < rows.dim ? std::fma(element(rows, row, d), query[d], sum) : std::fma(0.0F, 0.0F, sum);
  }
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
  return rows.type == ScanType::s8 ? rows.scale[row] * sums[0] : sums[0];
}

std::vector<std::vector<ScanHit>> reference_top_k(std::span<const ScanRows> gallery, const ScanQueries& queries,
                                                  const ScanOptions& options) {
  std::vector<std::vector<ScanHit>> results(static_cast<std::size_t>(queries.count));
  for (std::int64_t q = 0; q < queries.count; ++q) {
    auto& hits = results[static_cast<std::size_t>(q)];
    for (const ScanRows& rows : gallery)
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        if (rows.mask != nullptr && (rows.mask[r / 64] >> (r % 64) & 1) == 0) continue;
        const float score = reference_score(rows, r, queries.data + q * queries.dim);
        if (score >= options.threshold) hits.push_back({rows.first + r, score});
      }
    std::sort(hits.begin(), hits.end(), better);
    hits.resize(static_cast<std::size_t>(std::min<std::int64_t>(options.top, static_cast<std::int64_t>(hits.size()))));
  }
  return results;
}

}  // namespace edgeclip::kernels
