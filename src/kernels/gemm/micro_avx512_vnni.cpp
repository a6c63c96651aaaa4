#include "kernels/gemm/micro_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/simd/begin_avx512_vnni.h"

namespace edgeclip::kernels::avx512_vnni {

namespace {

using Register = __m512i;
constexpr int kRegisterColumns = 16, kColumns = 32, kTileRows = 13, kAhead = 8;

struct UnsignedDot {
  static Register four(const std::uint8_t* a) {
    std::int32_t bytes;
    std::memcpy(&bytes, a, sizeof bytes);
    return _mm512_set1_epi32(bytes);
  }
  // In assembly: GCC 12 copies a sum to another register and back around the intrinsic.
  static Register dot(Register sum, Register a, Register w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
    return sum;
  }
};
/// W + 128 is the unsigned operand.
struct SignedDot : UnsignedDot {
  static Register dot(Register sum, Register a, Register w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(a));
    return sum;
  }
};
#include "kernels/gemm/micro_s8.inl"
#include "kernels/gemm/row_sums.inl"

}  // namespace

const S8Kernels kS8 = {kColumns, 1, kTileRows, tile_s8<UnsignedDot>, tile_s8<SignedDot>, false, row_sums<UnsignedDot>, nullptr};

}  // namespace edgeclip::kernels::avx512_vnni

#include "kernels/simd/end.h"
#endif
