#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "kernels/simd/begin_amx.h"

/// Intel's Architecture Instruction Set Extensions Programming Reference, chapter 3: eight tiles of up to 16 rows of 64
/// bytes.  A tile of A is 16 rows of a row-major operand, a tile of W 16 groups of 16 columns: half of a panel.
namespace edgeclip::kernels::amx {

namespace {

constexpr int kColumns = 32, kTileRows = 32, kStep = 16;  // groups

struct alignas(64) TileConfig {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};

/// Rows that this thread's tiles are configured for; 0: none.
thread_local int t_rows = 0;

/// Tiles 0 to 3: sums; 4 and 5: A; 6 and 7: W.
void configure(int rows) {
  TileConfig config;
  std::memset(&config, 0, sizeof config);
  config.palette = 1;
  const auto upper = static_cast<std::uint8_t>(rows < 16 ? rows : 16), lower = static_cast<std::uint8_t>(rows - upper);
  for (const int tile : {0, 1, 4}) config.rows[tile] = upper;
  for (const int tile : {2, 3, 5}) config.rows[tile] = lower;
  for (const int tile : {6, 7}) config.rows[tile] = 16;
  for (int tile = 0; tile < 8; ++tile) config.row_bytes[tile] = config.rows[tile] > 0 ? 64 : 0;
  // GCC 12's intrinsic does not say that it reads memory.
  asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  t_rows = rows;
}

enum class Product { u8, s8, bf16 };

template <Product kProduct, int kSum, int kA, int kW>
inline __attribute__((always_inline)) void multiply() {
  if constexpr (kProduct == Product::u8) asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kW));
  if constexpr (kProduct == Product::s8) asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kW));
  if constexpr (kProduct == Product::bf16) asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kW));
}

template <int kTile>
inline __attribute__((always_inline)) void load(const std::byte* from, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline __attribute__((always_inline)) void store(std::byte* to, std::int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline __attribute__((always_inline)) void zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

template <int kTile>
inline __attribute__((always_inline)) void begin(const TileStep& step, const std::byte* sums, std::int64_t stride) {
  if (step.more)
    load<kTile>(sums, stride);
  else
    zero<kTile>();
}

/// a, lda, panel, sums in bytes.
template <Product kProduct>
void product(const std::byte* a, std::int64_t lda, const std::byte* panel, const TileStep& step, std::byte* sums) {
  constexpr std::int64_t kRow = 128;  // bytes of a row of the panel, and of the sums
  static_assert(kStep == kAheadGroups);
  if (t_rows != step.rows) configure(step.rows);
  const std::byte* ahead = step.ahead;
  begin<0>(step, sums, kRow);
  begin<1>(step, sums + 64, kRow);
  if (step.rows > 16) {
    begin<2>(step, sums + 16 * kRow, kRow);
    begin<3>(step, sums + 16 * kRow + 64, kRow);
    for (std::int64_t g = 0; g < step.groups; g += kStep) {
      bring(ahead, step.ahead_bytes);
      load<4>(a + 4 * g, lda);
      load<6>(panel + g * kRow, kRow);
      multiply<kProduct, 0, 4, 6>();
      load<7>(panel + g * kRow + 64, kRow);
      multiply<kProduct, 1, 4, 7>();
      load<5>(a + 16 * lda + 4 * g, lda);
      multiply<kProduct, 2, 5, 6>();
      multiply<kProduct, 3, 5, 7>();
    }
    store<2>(sums + 16 * kRow, kRow);
    store<3>(sums + 16 * kRow + 64, kRow);
  } else {
    for (std::int64_t g = 0; g < step.groups; g += kStep) {
      bring(ahead, step.ahead_bytes);
      load<4>(a + 4 * g, lda);
      load<6>(panel + g * kRow, kRow);
      multiply<kProduct, 0, 4, 6>();
      load<7>(panel + g * kRow + 64, kRow);
      multiply<kProduct, 1, 4, 7>();
    }
  }
  store<0>(sums, kRow);
  store<1>(sums + 64, kRow);
}

/// Others (oneDNN) configure tiles of their own; and the system need not save what is released.
void release() {
  asm volatile("tilerelease");
  t_rows = 0;
}

template <Product kProduct>
void tile_s8(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, const TileStep& step, std::int32_t* sums) {
  product<kProduct>(reinterpret_cast<const std::byte*>(a), lda, reinterpret_cast<const std::byte*>(panel), step,
                    reinterpret_cast<std::byte*>(sums));
}

void tile_bf16(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel, const TileStep& step, float* sums) {
  product<Product::bf16>(reinterpret_cast<const std::byte*>(a), 2 * lda, reinterpret_cast<const std::byte*>(panel), step,
                         reinterpret_cast<std::byte*>(sums));
}

}  // namespace

const S8Kernels kS8 = {kColumns, kStep, kTileRows, tile_s8<Product::u8>, tile_s8<Product::s8>, false, nullptr, release};
const Bf16Kernels kBf16 = {kColumns, kStep, kTileRows, tile_bf16, release};

}  // namespace edgeclip::kernels::amx

#include "kernels/simd/end.h"
#endif
