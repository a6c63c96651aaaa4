// AVX2 with FMA: what attention_parts.inl computes with. Included where that is, before it.

struct Isa {
  using F = __m256;
  static constexpr int kLanes = 8, kAccumulators = 12, kValueVectors = 2;

  static F set(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  /// The first n elements; 0 behind them, where nothing is read.
  static F load_first(const float* p, std::int64_t n) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), index));
  }
  static F broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F divide(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  /// The larger; b where one is NaN.
  static F max_or_second(F a, F b) { return _mm256_max_ps(a, b); }
  /// x < least ? 0 : y
  static F zero_where_less(F x, F least, F y) {
    return _mm256_and_ps(_mm256_cmp_ps(x, least, _CMP_NLT_UQ), y);
  }
  /// x * 2^n for the integer n in the last bits of `shifted`.
  static F add_to_exponent(F x, F shifted) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
  }
  static bool all_hidden(const float* p) {
    return _mm256_movemask_ps(_mm256_cmp_ps(load(p), set(-__builtin_inff()), _CMP_NEQ_UQ)) == 0;
  }

  static F low2(F a, F b) {
    return _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }
  static F high2(F a, F b) {
    return _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
  }

  /// to[c * to_step + r] = factor * from[r * step + c] for 8 columns; 0 for what lies behind `rows`
  /// and `columns`, where nothing is read.
  static void transpose(const float* from, std::int64_t step, std::int64_t rows, std::int64_t columns,
                        float factor, float* to, std::int64_t to_step) {
    F r[8], t[8];
    if (rows == 8 && columns == 8)
      for (int i = 0; i < 8; ++i) r[i] = mul(load(from + i * step), set(factor));
    else
      for (int i = 0; i < 8; ++i)
        r[i] = i < rows ? mul(load_first(from + i * step, columns), set(factor)) : set(0);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {  // r[i + c]: of rows i..i+3 the columns c and 4 + c
      r[i] = low2(t[i], t[i + 2]);
      r[i + 1] = high2(t[i], t[i + 2]);
      r[i + 2] = low2(t[i + 1], t[i + 3]);
      r[i + 3] = high2(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      store(to + c * to_step, _mm256_permute2f128_ps(r[c], r[4 + c], 0x20));
      store(to + (4 + c) * to_step, _mm256_permute2f128_ps(r[c], r[4 + c], 0x31));
    }
  }
};
