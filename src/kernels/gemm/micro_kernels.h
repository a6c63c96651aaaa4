#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/gemm/epilogue.h"

/// What an instruction set contributes to products: tiles, and what follows them.
namespace edgeclip::kernels {

constexpr int kMostRows = 32, kMostColumns = 32;

/// One tile of sums, rows x columns (the panel's width), all of K:
///   out[r * width + c] = sum_k a[r * lda + k] w[k, c]
/// a: row-major, lda in elements.  panel: packed_weights.h.  out: 64-byte aligned.
using F32Tile = void (*)(const float* a, std::int64_t lda, const float* panel, std::int64_t k, float* out);
/// groups of 2 rows of the panel.  a holds 2 * groups elements in each row.
using Bf16Tile = void (*)(const std::uint16_t* a, std::int64_t lda, const std::uint16_t* panel,
                          std::int64_t groups, int rows, float* out);
/// groups of 4 rows.  a: uint8, or int8 as the weights were packed for, 4 * groups in each row.
using S8Tile = void (*)(const std::uint8_t* a, std::int64_t lda, const std::int8_t* panel, std::int64_t groups,
                        int rows, std::int32_t* out);
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
/// column_offset, row_offset (by column and row of the tile): taken off the sums; may be null.
using S8Epilogue = void (*)(const std::int32_t* tile, const TilePlace& place, const Epilogue& epilogue,
                            const std::int32_t* column_offset, const std::int32_t* row_offset);

struct F32Kernels {
  int width = 0;
  const F32Tile* tiles = nullptr;  ///< [rows - 1]
  int most_rows = 0;
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
