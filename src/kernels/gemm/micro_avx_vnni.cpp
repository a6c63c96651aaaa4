#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/simd/begin_avx_vnni.h"

namespace edgeclip::kernels::avx_vnni {

namespace {

using Register = __m256i;
constexpr int kRegisterColumns = 8, kColumns = 16, kTileRows = 6, kAhead = 16;

struct UnsignedDot {
  static Register four(const std::uint8_t* a) {
    std::int32_t bytes;
    std::memcpy(&bytes, a, sizeof bytes);
    return _mm256_set1_epi32(bytes);
  }
  static Register dot(Register sum, Register a, Register w) { return _mm256_dpbusd_avx_epi32(sum, a, w); }
};
/// W + 128 is the unsigned operand.
struct SignedDot : UnsignedDot {
  static Register dot(Register sum, Register a, Register w) { return _mm256_dpbusd_avx_epi32(sum, w, a); }
};
#include "kernels/gemm/micro_s8.inl"
#include "kernels/gemm/row_sums.inl"

}  // namespace

const S8Kernels kS8 = {kColumns, 1, kTileRows, tile_s8<UnsignedDot>, tile_s8<SignedDot>, false, row_sums<UnsignedDot>, nullptr};

}  // namespace edgeclip::kernels::avx_vnni

#include "kernels/simd/end.h"
#endif
