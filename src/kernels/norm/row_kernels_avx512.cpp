#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/norm/row_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if !defined(__clang__)  // of the intrinsics' own undefined operands
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define ROW_TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))  // as simd/begin_avx512.h
#include "kernels/simd/begin_avx512.h"

namespace edgeclip::kernels::avx512 {

namespace {

struct Vector {
  static constexpr int kWidth = 16;
  __m512 v;

  /// The first n of 16.
  static inline __mmask16 mask(int n) { return static_cast<__mmask16>((1U << n) - 1U); }
  static inline Vector load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static inline Vector load(const float* p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static inline Vector set(float x) { return {_mm512_set1_ps(x)}; }
  inline void store(float* p) const { _mm512_storeu_ps(p, v); }
  inline void store(float* p, int n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
  inline Vector operator+(Vector b) const { return {_mm512_add_ps(v, b.v)}; }
  inline Vector operator-(Vector b) const { return {_mm512_sub_ps(v, b.v)}; }
  inline Vector operator*(Vector b) const { return {_mm512_mul_ps(v, b.v)}; }
  inline Vector operator/(Vector b) const { return {_mm512_div_ps(v, b.v)}; }
  static inline Vector fma(Vector a, Vector b, Vector c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  inline float sum() const { return _mm512_reduce_add_ps(v); }
  inline Vector keep(int n) const { return {_mm512_maskz_mov_ps(mask(n), v)}; }
  inline Vector nearest() const { return {_mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static inline bool rounds(Vector r, Vector n, Vector limit) {
    return _mm512_cmp_ps_mask(_mm512_abs_ps(_mm512_sub_ps(r.v, n.v)), limit.v, _CMP_NLE_UQ) != 0;
  }
  /// max and min give their second operand where one is NaN.
  inline Vector clamp(Vector low, Vector high) const {
    return {_mm512_min_ps(high.v, _mm512_max_ps(low.v, v))};
  }
  static inline Vector min(Vector a, Vector b) { return {_mm512_min_ps(a.v, b.v)}; }
  static inline Vector max(Vector a, Vector b) { return {_mm512_max_ps(a.v, b.v)}; }
  inline float lowest() const { return _mm512_reduce_min_ps(v); }
  inline float highest() const { return _mm512_reduce_max_ps(v); }
  inline Vector number() const { return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v)}; }

  inline __m512i integers(int zero) const {
    return _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(zero));
  }
  static inline void store_bytes(__m128i bytes, void* p, int n) {
    if (n == kWidth)
      _mm_storeu_si128(static_cast<__m128i*>(p), bytes);
    else
      _mm_mask_storeu_epi8(p, mask(n), bytes);
  }
  inline void store_i8(std::int8_t* p, int zero, int n) const {
    store_bytes(_mm512_cvtsepi32_epi8(integers(zero)), p, n);
  }
  inline void store_u8(std::uint8_t* p, int zero, int n) const {
    store_bytes(_mm512_cvtusepi32_epi8(integers(zero)), p, n);
  }

  struct Bits {
    __m512i largest;
    inline Bits() : largest(_mm512_setzero_si512()) {}
    inline void take(Vector x) {
      largest = _mm512_max_epi32(largest, _mm512_and_si512(_mm512_castps_si512(x.v), _mm512_set1_epi32(0x7fffffff)));
    }
    inline float magnitude() const {
      const std::int32_t bits = _mm512_reduce_max_epi32(largest);
      float magnitude;
      std::memcpy(&magnitude, &bits, sizeof magnitude);
      return magnitude;
    }
  };
};

#include "kernels/norm/row_kernels.inl"

}  // namespace

constinit const RowKernels row_kernels = kernels_of("avx512");

}  // namespace edgeclip::kernels::avx512

#include "kernels/simd/end.h"

#endif
