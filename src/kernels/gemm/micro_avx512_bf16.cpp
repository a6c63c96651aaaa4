#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/simd/begin_avx512_bf16.h"

namespace edgeclip::kernels::avx512_bf16 {

namespace {

constexpr int kColumns = 32, kTileRows = 13, kAhead = 8;

template <int kRows>
void tile_rows(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel, const TileStep& step, float* sums) {
  __m512 sum[kRows][2] = {};
  if (step.more) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      sum[r][0] = _mm512_load_ps(sums + r * kColumns);
      sum[r][1] = _mm512_load_ps(sums + r * kColumns + 16);
    }
  }
  const std::uint16_t* rows[(kRows + 2) / 3];
  for (int r = 0; r < (kRows + 2) / 3; ++r) rows[r] = a + 3 * r * lda;
  const auto* w = reinterpret_cast<const __m512i*>(panel);
  const std::byte* ahead = step.ahead;
  for (std::int64_t g = 0; g < step.groups;) {
    bring(ahead, step.ahead_bytes);
    for (const std::int64_t end = std::min(g + kAheadGroups, step.groups); g < end; ++g) {
      const __m512i left = w[0], right = w[1];
      w += 2;
      __builtin_prefetch(w + 2 * kAhead);
      __builtin_prefetch(w + 2 * kAhead + 1);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        std::int32_t pair;
        std::memcpy(&pair, rows[r / 3] + (r % 3) * lda + 2 * g, sizeof pair);
        const __m512i x = _mm512_set1_epi32(pair);
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum[r][0]) : "v"(x), "v"(left));
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum[r][1]) : "v"(x), "v"(right));
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_ps(sums + r * kColumns, sum[r][0]);
    _mm512_store_ps(sums + r * kColumns + 16, sum[r][1]);
  }
}

template <int... kRows>
void tile_of(std::integer_sequence<int, kRows...>, const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel,
             const TileStep& step, float* sums) {
  static constexpr Bf16Tile kTiles[] = {tile_rows<kRows + 1>...};
  kTiles[step.rows - 1](a, lda, panel, step, sums);
}

void tile(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel, const TileStep& step, float* sums) {
  tile_of(std::make_integer_sequence<int, kTileRows>(), a, lda, panel, step, sums);
}

}  // namespace

const Bf16Kernels kBf16 = {kColumns, 1, kTileRows, tile, nullptr};

}  // namespace edgeclip::kernels::avx512_bf16

#include "kernels/simd/end.h"
#endif
