// AVX-512 (F, BW, DQ, VL), and VNNI where its file says so: included by scan_parts.inl.

struct Isa {
  using V = __m512;
  static constexpr int kRows = 4, kGroup = 6, kCodeGroup = 5;

  static V zero() { return _mm512_setzero_ps(); }
  static V load(F32, const std::byte* p) { return _mm512_loadu_ps(p); }
  static V load(F16, const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static V load(S8, const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static __mmask16 first(int n) { return static_cast<__mmask16>((1U << n) - 1); }
  static V load_first(F32, const std::byte* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static V load_first(F16, const std::byte* p, int n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p)); }
  static V load_first(S8, const std::byte* p, int n) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first(n), p)));
  }
  static void store(float* p, V x) { _mm512_storeu_ps(p, x); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }

  struct AddFloats {
    V operator()(V a, V b) const { return _mm512_add_ps(a, b); }
  };
  struct AddIntegers {
    V operator()(V a, V b) const {
      return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    }
  };
  /// 16 vectors to their sums: each step adds the halves of two, and lays the results side by side.  The quarter
  /// q of the result has the four rows of query q.
  template <class Add>
  static V fold_16(const V (&x)[4][4], Add add) {
    V row[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const V a = add(_mm512_shuffle_f32x4(x[r][0], x[r][1], 0x44), _mm512_shuffle_f32x4(x[r][0], x[r][1], 0xee));
      const V b = add(_mm512_shuffle_f32x4(x[r][2], x[r][3], 0x44), _mm512_shuffle_f32x4(x[r][2], x[r][3], 0xee));
      row[r] = add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    }
    const V a = add(low_pairs(row[0], row[1]), high_pairs(row[0], row[1]));
    const V b = add(low_pairs(row[2], row[3]), high_pairs(row[2], row[3]));
    return add(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
  }
  static V low_pairs(V a, V b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static V high_pairs(V a, V b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  /// The same of the four rows of one query.
  template <class Add>
  static __m128 fold_4(V a, V b, V c, V d, Add add) {
    const V ab = add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    const V cd = add(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    V x = add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));  // a row in each quarter
    x = add(x, _mm512_permute_ps(x, 0x0e));
    x = add(x, _mm512_permute_ps(x, 0x01));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, x));
  }
  template <class Add, int kQueries>
  static void fold_all(const V (&sum)[kRows][kQueries], float* to, Add add) {
    if constexpr (kQueries <= 2) {
#pragma GCC unroll 2
      for (int q = 0; q < kQueries; ++q)
        _mm_storeu_ps(to + q * kBlockRows, fold_4(sum[0][q], sum[1][q], sum[2][q], sum[3][q], add));
      return;
    }
#pragma GCC unroll 2
    for (int q = 0; q < kQueries; q += 4) {
      V x[4][4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) x[r][i] = q + i < kQueries ? sum[r][q + i < kQueries ? q + i : 0] : zero();
      const V folded = fold_16(x, add);
      _mm_storeu_ps(to + q * kBlockRows, _mm512_castps512_ps128(folded));
      if (q + 1 < kQueries) _mm_storeu_ps(to + (q + 1) * kBlockRows, _mm512_extractf32x4_ps(folded, 1));
      if (q + 2 < kQueries) _mm_storeu_ps(to + (q + 2) * kBlockRows, _mm512_extractf32x4_ps(folded, 2));
      if (q + 3 < kQueries) _mm_storeu_ps(to + (q + 3) * kBlockRows, _mm512_extractf32x4_ps(folded, 3));
    }
  }
  template <int kQueries>
  static void fold(const V (&sum)[kRows][kQueries], float* scores) {
    fold_all(sum, scores, AddFloats());
  }

  static std::uint32_t at_least(const float* x, float floor) {
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(x), _mm512_set1_ps(floor), _CMP_GE_OQ);
  }
  static std::uint32_t less(const float* x, float floor) {
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(x), _mm512_set1_ps(floor), _CMP_LT_OQ);
  }

  struct Codes {
    using Sum = __m512i;
#if defined(EDGECLIP_SCAN_VNNI)
    // Rows + 128 are the unsigned operand.
    using Code = std::int8_t;
    using Row = __m512i;
    static constexpr bool kBytes = true;
    static constexpr std::int64_t kStep = 64;
    static Row row(const std::byte* p) { return _mm512_loadu_si512(p); }
    static Row row_first(const std::byte* p, int n) { return _mm512_maskz_loadu_epi8((std::uint64_t{1} << n) - 1, p); }
    static __m512i operand(Row x) { return _mm512_xor_si512(x, _mm512_set1_epi8(-128)); }
    static Sum add_magnitude(Sum sum, Row x) { return dot(sum, _mm512_abs_epi8(x), _mm512_set1_epi8(1)); }
    // In assembly: GCC 12 copies a sum to another register and back around the intrinsic.
    static Sum dot(Sum sum, __m512i x, __m512i y) {
      asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
      return sum;
    }
#else
    // Pairs of products of 16 bits are exact in 32, where maddubs would saturate.
    using Code = std::int16_t;
    using Row = __m256i;
    static constexpr bool kBytes = false;
    static constexpr std::int64_t kStep = 32;
    static Row row(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static Row row_first(const std::byte* p, int n) { return _mm256_maskz_loadu_epi8((std::uint32_t{1} << n) - 1, p); }
    static __m512i operand(Row x) { return _mm512_cvtepi8_epi16(x); }
    static Sum add_magnitude(Sum sum, Row x) {
      const __m256i magnitudes = _mm256_sad_epu8(_mm256_abs_epi8(x), _mm256_setzero_si256());
      return _mm512_add_epi32(sum, _mm512_zextsi256_si512(magnitudes));
    }
    static Sum dot(Sum sum, __m512i x, __m512i y) { return _mm512_add_epi32(sum, _mm512_madd_epi16(x, y)); }
#endif
    static Sum zero() { return _mm512_setzero_si512(); }
    static __m512i query(const Code* p) { return _mm512_load_si512(p); }
    template <int kQueries>
    static void fold(const Sum (&sum)[kRows][kQueries], std::int32_t* sums) {
      V x[kRows][kQueries];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int q = 0; q < kQueries; ++q) x[r][q] = _mm512_castsi512_ps(sum[r][q]);
      fold_all(x, reinterpret_cast<float*>(sums), AddIntegers());
    }
  };
};
