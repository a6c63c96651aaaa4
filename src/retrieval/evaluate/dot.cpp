#include "retrieval/evaluate/dot.h"

#include <algorithm>

namespace edgeclip {

float dot(const float* a, const float* b, std::int64_t n) {
  constexpr int kLanes = 16;
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0] + rest;
}

void score_block(const float* queries, std::int64_t count, const float* gallery, std::int64_t rows,
                 std::int64_t dim, float* out) {
  for (std::int64_t q = 0; q < count; ++q)
    for (std::int64_t r = 0; r < rows; ++r)
      out[q * rows + r] = dot(queries + q * dim, gallery + r * dim, dim);
}

std::int64_t block_rows(std::int64_t dim) {
  return std::max<std::int64_t>(
      16, 128 * 1024 / static_cast<std::int64_t>(sizeof(float)) / std::max<std::int64_t>(1, dim));
}

}  // namespace edgeclip
