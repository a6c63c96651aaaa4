#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/float16.h"
#include "kernels/gemm/micro_kernels.h"

/// For every CPU, in whatever registers the compiler has (SSE2, NEON).
namespace edgeclip::kernels::portable {

namespace {

constexpr int kVectorBytes = 16, kVectors = 4, kF32Rows = 4, kAhead = 16;
#include "kernels/gemm/epilogue.inl"
#include "kernels/gemm/micro_f32.inl"

constexpr int kTileRows = 4;

template <class A>
void tile_s8(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, const TileStep& step, std::int32_t* sums) {
  for (int r = 0; r < step.rows; ++r) {
    std::int32_t sum[kColumns] = {};
    if (step.more) std::memcpy(sum, sums + r * kColumns, sizeof sum);
    const A* row = reinterpret_cast<const A*>(a + r * lda);
    for (std::int64_t g = 0; g < step.groups; ++g)
      for (int c = 0; c < kColumns; ++c)
        for (int i = 0; i < 4; ++i) sum[c] += row[4 * g + i] * panel[(g * kColumns + c) * 4 + i];
    std::memcpy(sums + r * kColumns, sum, sizeof sum);
  }
}

}  // namespace

const F32Kernels kF32 = {kColumns, kF32Rows, tile_f32};
const S8Kernels kS8 = {kColumns, 1, kTileRows, tile_s8<std::uint8_t>, tile_s8<std::int8_t>, false, nullptr, nullptr};
const Epilogues kEpilogues = {finish_f32, finish_s8, narrow};

}  // namespace edgeclip::kernels::portable
