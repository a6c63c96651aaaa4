// AVX-512: what attention_parts.inl computes with. Included where that is, before it.

struct Isa {
  using F = __m512;
  static constexpr int kLanes = 16, kAccumulators = 24, kValueVectors = 4;

  static F set(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  /// The first n elements; 0 behind them, where nothing is read.
  static F load_first(const float* p, std::int64_t n) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1), p);
  }
  static F broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F divide(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  /// The larger; b where one is NaN.
  static F max_or_second(F a, F b) { return _mm512_max_ps(a, b); }
  /// x < least ? 0 : y
  static F zero_where_less(F x, F least, F y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), y);
  }
  /// x * 2^n for the integer n in the last bits of `shifted`.
  static F add_to_exponent(F x, F shifted) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), n));
  }
  static bool all_hidden(const float* p) {
    return _mm512_cmp_ps_mask(load(p), set(-__builtin_inff()), _CMP_NEQ_UQ) == 0;
  }

  static F low(F a, F b) { return _mm512_unpacklo_ps(a, b); }
  static F high(F a, F b) { return _mm512_unpackhi_ps(a, b); }
  static F low2(F a, F b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static F high2(F a, F b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }

  /// to[c * to_step + r] = factor * from[r * step + c] for 16 columns; 0 for what lies behind `rows`
  /// and `columns`, where nothing is read.
  static void transpose(const float* from, std::int64_t step, std::int64_t rows, std::int64_t columns,
                        float factor, float* to, std::int64_t to_step) {
    F r[16], t[16];
    if (rows == 16 && columns == 16)
      for (int i = 0; i < 16; ++i) r[i] = mul(load(from + i * step), set(factor));
    else
      for (int i = 0; i < 16; ++i)
        r[i] = i < rows ? mul(load_first(from + i * step, columns), set(factor)) : set(0);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      t[i] = low(r[i], r[i + 1]);
      t[i + 1] = high(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {  // r[i + c]: of rows i..i+3 the columns c, 4 + c, 8 + c, 12 + c
      r[i] = low2(t[i], t[i + 2]);
      r[i + 1] = high2(t[i], t[i + 2]);
      r[i + 2] = low2(t[i + 1], t[i + 3]);
      r[i + 3] = high2(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const F even_a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
      const F odd_a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
      const F even_b = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
      const F odd_b = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
      store(to + c * to_step, _mm512_shuffle_f32x4(even_a, even_b, 0x88));
      store(to + (4 + c) * to_step, _mm512_shuffle_f32x4(odd_a, odd_b, 0x88));
      store(to + (8 + c) * to_step, _mm512_shuffle_f32x4(even_a, even_b, 0xdd));
      store(to + (12 + c) * to_step, _mm512_shuffle_f32x4(odd_a, odd_b, 0xdd));
    }
  }
};
