#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/gemm/epilogue.h"

/// What an instruction set contributes to products: tiles, and what follows them.
namespace edgeclip::kernels {

constexpr int kMostColumns = 32;

/// How far one call of a tile goes.
struct TileStep {
  int rows = 0;
  std::int64_t groups = 0;  ///< of the panel's rows
  bool more = false;        ///< goes on from the sums that are there, else from zero
  /// What is multiplied next, to be brought into the second-level cache meanwhile: so many bytes with each
  /// kAheadGroups groups.
  const std::byte* ahead = nullptr;
  std::int64_t ahead_bytes = 0;
};
constexpr std::int64_t kAheadGroups = 16;

/// One tile of sums, rows x columns (the panel's width), over some of K:
///   sums[r * width + c] (+)= sum_k a[r * lda + k] w[k, c]
/// a: row-major, lda in elements.  panel: packed_weights.h, of groups of 1 float32, 2 bfloat16, 4 8-bit rows; a is
/// uint8, or int8 as the weights were packed for.  sums: 64-byte aligned.
template <class A, class W, class Sum>
using Tile = void (*)(const A* a, std::int64_t lda, const W* panel, const TileStep& step, Sum* sums);
using F32Tile = Tile<float, float, float>;
using Bf16Tile = Tile<std::uint16_t, std::uint16_t, float>;
using S8Tile = Tile<std::uint8_t, std::int8_t, std::int32_t>;

/// Into the second-level cache.
inline __attribute__((always_inline)) void bring(const std::byte*& ahead, std::int64_t bytes) {
  for (const std::byte* end = ahead + bytes; ahead < end; ahead += 64) __builtin_prefetch(ahead, 0, 2);
}

/// out[r] = sum_k a[r * lda + k] of int8.
using S8RowSums = void (*)(const std::int8_t* a, std::int64_t lda, std::int64_t k, int rows, std::int32_t* out);

/// What tiles left in the calling thread's registers is given up; may be null.
using Release = void (*)();

/// Rows and columns of one tile, in the whole product.
struct TilePlace {
  std::int64_t row = 0, column = 0;
  int rows = 0, columns = 0;  ///< that exist: the tile may be wider
  int width = 0;              ///< of the tile
};

/// column_scale and bias of the epilogue are padded to panels.
using F32Epilogue = void (*)(const float* tile, const TilePlace& place, const Epilogue& epilogue);
/// What is taken off the sums of 8-bit products, by column c and row r of the tile:
///   column[c] + row[r] + row_zero_point[r] * column_sums[c]
/// Each may be null, the last two together.
struct S8Offsets {
  const std::int32_t* column = nullptr;
  const std::int32_t* row = nullptr;
  const std::int32_t* row_zero_point = nullptr;
  const std::int32_t* column_sums = nullptr;
};
using S8Epilogue = void (*)(const std::int32_t* tile, const TilePlace& place, const Epilogue& epilogue,
                            const S8Offsets& offsets);

struct F32Kernels {
  int width = 0;
  int most_rows = 0;
  F32Tile tile = nullptr;
};
struct Bf16Kernels {
  int width = 0;
  int step = 1;  ///< groups that one step takes: panels are a multiple of it
  int most_rows = 0;
  Bf16Tile tile = nullptr;
  Release release = nullptr;  ///< after a task's last tile
};
struct S8Kernels {
  int width = 0;
  int step = 1;
  int most_rows = 0;
  S8Tile unsigned_a = nullptr, signed_a = nullptr;
  bool seven_bits = false;        ///< weights beyond 64 would overflow
  S8RowSums row_sums = nullptr;  ///< signed_a wants W + 128, and 128 times these taken off
  Release release = nullptr;     ///< after a task's last tile
};

/// The level's own, or those of the highest level below that has any.
const F32Kernels& f32_kernels(CpuLevel level);
const S8Kernels& s8_kernels(CpuLevel level);
/// nullptr where no level up to this one has them.
const Bf16Kernels* bf16_kernels(CpuLevel level);

/// n float32 as bfloat16 patterns: the bits of BFloat16.
using Narrow = void (*)(const float* from, std::int64_t n, std::uint16_t* to);

struct Epilogues {
  F32Epilogue f32 = nullptr;
  S8Epilogue s8 = nullptr;
  Narrow narrow = nullptr;
};
const Epilogues& epilogues(CpuLevel level);

// One source per instruction set gives what it has.
namespace portable {
extern const F32Kernels kF32;
extern const S8Kernels kS8;
extern const Epilogues kEpilogues;
}  // namespace portable
#if defined(__x86_64__)
namespace avx2 {
extern const F32Kernels kF32;
extern const S8Kernels kS8;
extern const Epilogues kEpilogues;
}  // namespace avx2
namespace avx_vnni {
extern const S8Kernels kS8;
}
namespace avx512 {
extern const F32Kernels kF32;
extern const S8Kernels kS8;
extern const Epilogues kEpilogues;
}  // namespace avx512
namespace avx512_vnni {
extern const S8Kernels kS8;
}
namespace avx512_bf16 {
extern const Bf16Kernels kBf16;
}
namespace amx {
extern const S8Kernels kS8;
extern const Bf16Kernels kBf16;
}  // namespace amx
#endif

}  // namespace edgeclip::kernels
