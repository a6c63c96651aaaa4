#pragma once

#include <cstdint>

#include "base/tensor.h"

namespace edgeclip {

/// Sum of a[i] * b[i], i < n, in sixteen running sums, so that a compiler vectorizes it without reordering:
/// the same value on every machine without fused multiply-add.
float dot(const float* a, const float* b, std::int64_t n);

/// Scores of a few queries against a block of gallery rows: out[q * rows + r] = queries[q] . gallery[r].
/// queries: (count, dim), gallery: (rows, dim), out: (count, rows), all dense.
void score_block(const float* queries, std::int64_t count, const float* gallery, std::int64_t rows,
                 std::int64_t dim, float* out);

/// Gallery rows of one block: together about 128 KiB, so that they stay in cache for all queries.
std::int64_t block_rows(std::int64_t dim);

}  // namespace edgeclip
