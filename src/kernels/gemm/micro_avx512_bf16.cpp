#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <array>
#include <cstring>
#include <utility>

#include "kernels/simd/begin_avx512_bf16.h"

namespace edgeclip::kernels::avx512_bf16 {

namespace {

constexpr int kColumns = 32, kTileRows = 13, kAhead = 8;

template <int kRows>
void tile_rows(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel, std::int64_t groups, float* out) {
  __m512 sum[kRows][2] = {};
  const std::uint16_t* rows[(kRows + 2) / 3];
  for (int r = 0; r < (kRows + 2) / 3; ++r) rows[r] = a + 3 * r * lda;
  const auto* w = reinterpret_cast<const __m512i*>(panel);
  for (std::int64_t g = 0; g < groups; ++g) {
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
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_ps(out + r * kColumns, sum[r][0]);
    _mm512_store_ps(out + r * kColumns + 16, sum[r][1]);
  }
}

template <int... kRows>
void tile_of(std::integer_sequence<int, kRows...>, const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel,
             std::int64_t groups, int rows, float* out) {
  using Tile = void (*)(const std::uint16_t*, std::int64_t, const std::uint16_t*, std::int64_t, float*);
  static constexpr Tile kTiles[] = {tile_rows<kRows + 1>...};
  kTiles[rows - 1](a, lda, panel, groups, out);
}

void tile(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel, std::int64_t groups, int rows, float* out) {
  tile_of(std::make_integer_sequence<int, kTileRows>(), a, lda, panel, groups, rows, out);
}

}  // namespace

const Bf16Kernels kBf16 = {kColumns, 1, kTileRows, tile, nullptr};

}  // namespace edgeclip::kernels::avx512_bf16

#include "kernels/simd/end.h"
#endif
