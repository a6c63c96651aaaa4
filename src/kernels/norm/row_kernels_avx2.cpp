#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/norm/row_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define ROW_TARGET __attribute__((target("avx2,fma,f16c")))  // as simd/begin_avx2.h
#include "kernels/simd/begin_avx2.h"

namespace edgeclip::kernels::avx2 {

namespace {

struct Vector {
  static constexpr int kWidth = 8;
  __m256 v;

  /// The first n of 8.
  static inline __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static inline Vector load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static inline Vector load(const float* p, int n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static inline Vector set(float x) { return {_mm256_set1_ps(x)}; }
  inline void store(float* p) const { _mm256_storeu_ps(p, v); }
  inline void store(float* p, int n) const { _mm256_maskstore_ps(p, mask(n), v); }
  inline Vector operator+(Vector b) const { return {_mm256_add_ps(v, b.v)}; }
  inline Vector operator-(Vector b) const { return {_mm256_sub_ps(v, b.v)}; }
  inline Vector operator*(Vector b) const { return {_mm256_mul_ps(v, b.v)}; }
  inline Vector operator/(Vector b) const { return {_mm256_div_ps(v, b.v)}; }
  static inline Vector fma(Vector a, Vector b, Vector c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  inline float sum() const {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  inline Vector keep(int n) const { return {_mm256_and_ps(v, _mm256_castsi256_ps(mask(n)))}; }
  inline Vector nearest() const { return {_mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static inline bool rounds(Vector r, Vector n, Vector limit) {
    const __m256 distance = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), _mm256_sub_ps(r.v, n.v));
    return _mm256_movemask_ps(_mm256_cmp_ps(distance, limit.v, _CMP_NLE_UQ)) != 0;
  }
  /// max and min give their second operand where one is NaN.
  inline Vector clamp(Vector low, Vector high) const {
    return {_mm256_min_ps(high.v, _mm256_max_ps(low.v, v))};
  }
  static inline Vector min(Vector a, Vector b) { return {_mm256_min_ps(a.v, b.v)}; }
  static inline Vector max(Vector a, Vector b) { return {_mm256_max_ps(a.v, b.v)}; }
  inline float lowest() const {
    __m128 s = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_min_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
  }
  inline float highest() const {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  inline Vector number() const { return {_mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q))}; }

  inline __m128i words(int zero) const {
    const __m256i i = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(zero));
    return _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
  }
  static inline void store_bytes(__m128i bytes, void* p, int n) {
    if (n == kWidth) return _mm_storel_epi64(static_cast<__m128i*>(p), bytes);
    std::int8_t all[16];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
    std::memcpy(p, all, static_cast<std::size_t>(n));
  }
  inline void store_i8(std::int8_t* p, int zero, int n) const {
    const __m128i w = words(zero);
    store_bytes(_mm_packs_epi16(w, w), p, n);
  }
  inline void store_u8(std::uint8_t* p, int zero, int n) const {
    const __m128i w = words(zero);
    store_bytes(_mm_packus_epi16(w, w), p, n);
  }

  struct Bits {
    __m256i largest;
    inline Bits() : largest(_mm256_setzero_si256()) {}
    inline void take(Vector x) {
      largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(x.v), _mm256_set1_epi32(0x7fffffff)));
    }
    inline float magnitude() const {
      __m128i m = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
      m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
      m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
      return _mm_cvtss_f32(_mm_castsi128_ps(m));
    }
  };
};

#include "kernels/norm/row_kernels.inl"

}  // namespace

constinit const RowKernels row_kernels = kernels_of("avx2");

}  // namespace edgeclip::kernels::avx2

#include "kernels/simd/end.h"

#endif
