#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/float16.h"
#include "kernels/simd/begin_avx2.h"

namespace edgeclip::kernels::avx2 {

namespace {

constexpr int kVectorBytes = 32, kVectors = 2, kF32Rows = 6, kAhead = 16;
#include "kernels/gemm/epilogue.inl"
#include "kernels/gemm/micro_f32.inl"

using Register = __m256i;
constexpr int kRegisterColumns = 8, kTileRows = 5;

/// Pairs are summed in 16 bits, which 255 * 64 * 2 does not overflow.
struct UnsignedDot {
  static Register four(const std::uint8_t* a) {
    std::int32_t bytes;
    std::memcpy(&bytes, a, sizeof bytes);
    return _mm256_set1_epi32(bytes);
  }
  static Register dot(Register sum, Register a, Register w) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1)));
  }
};
/// int8 + 128; the sum of 128 w is taken off with the zero point.
struct SignedDot : UnsignedDot {
  static Register four(const std::uint8_t* a) {
    return _mm256_xor_si256(UnsignedDot::four(a), _mm256_set1_epi8(-128));
  }
};
#include "kernels/gemm/micro_s8.inl"

}  // namespace

const F32Kernels kF32 = {kColumns, kF32Rows, tile_f32};
const S8Kernels kS8 = {kColumns, 1, kTileRows, tile_s8<UnsignedDot>, tile_s8<SignedDot>, true, nullptr, nullptr};
const Epilogues kEpilogues = {finish_f32, finish_s8, narrow};

}  // namespace edgeclip::kernels::avx2

#include "kernels/simd/end.h"
#endif
