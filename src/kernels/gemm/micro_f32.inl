// Compiled once per instruction set, in a namespace that says kVectorBytes and kVectors.

using Vec = float __attribute__((vector_size(kVectorBytes)));
using VecUnaligned = float __attribute__((vector_size(kVectorBytes), aligned(4)));
constexpr int kColumns = kVectors * kVectorBytes / static_cast<int>(sizeof(float));

/// k from 0 upwards in each sum.
template <int kRows>
void tile_f32_rows(const float* a, std::int64_t lda, const float* panel, const TileStep& step, float* sums) {
  Vec sum[kRows][kVectors] = {};
  if (step.more) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = reinterpret_cast<const Vec*>(sums + r * kColumns)[v];
  }
  // Three rows to a pointer: rows at 0, 1 and 2 strides need no register of their own.
  const float* rows[(kRows + 2) / 3];
  for (int r = 0; r < (kRows + 2) / 3; ++r) rows[r] = a + 3 * r * lda;
  const auto* b = reinterpret_cast<const Vec*>(panel);
  const std::byte* ahead = step.ahead;
  for (std::int64_t i = 0; i < step.groups;) {
    bring(ahead, step.ahead_bytes);
    for (const std::int64_t end = std::min(i + kAheadGroups, step.groups); i < end; ++i) {
      Vec column[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) column[v] = b[v];
      b += kVectors;
      __builtin_prefetch(b + kAhead * kVectors);
      if constexpr (kVectorBytes * kVectors > 64) __builtin_prefetch(b + kAhead * kVectors + kVectors / 2);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const float x = rows[r / 3][(r % 3) * lda + i];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] += x * column[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) reinterpret_cast<Vec*>(sums + r * kColumns)[v] = sum[r][v];
}

template <int... kRows>
void tile_f32_of(std::integer_sequence<int, kRows...>, const float* a, std::int64_t lda, const float* panel,
                 const TileStep& step, float* sums) {
  static constexpr F32Tile kTiles[] = {tile_f32_rows<kRows + 1>...};
  kTiles[step.rows - 1](a, lda, panel, step, sums);
}

void tile_f32(const float* a, std::int64_t lda, const float* panel, const TileStep& step, float* sums) {
  tile_f32_of(std::make_integer_sequence<int, kF32Rows>(), a, lda, panel, step, sums);
}
