// AVX2 with FMA and F16C: included by scan_parts.inl.

struct Isa {
  struct V {
    __m256 low, high;
  };
  static constexpr int kRows = 2, kGroup = 3, kCodeGroup = 4;

  static V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static V load(F32, const std::byte* p) {
    const auto* x = reinterpret_cast<const float*>(p);
    return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
  }
  static V load(F16, const std::byte* p) {
    const auto* x = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(x)), _mm256_cvtph_ps(_mm_loadu_si128(x + 1))};
  }
  static V load(S8, const std::byte* p) {
    return {load_8(p), load_8(p + 8)};
  }
  static __m256 load_8(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  template <class Element>
  static V load_first(Element element, const std::byte* p, int n) {
    std::byte all[16 * Element::kBytes] = {};
    std::memcpy(all, p, static_cast<std::size_t>(n * Element::kBytes));
    return load(element, all);
  }
  static void store(float* p, V x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
  }
  static V fma(V a, V b, V c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  /// Of two rows at once, a half each from the second step on.
  template <int kQueries>
  static void fold(const V (&sum)[kRows][kQueries], float* scores) {
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      const __m256 a = _mm256_add_ps(sum[0][q].low, sum[0][q].high), b = _mm256_add_ps(sum[1][q].low, sum[1][q].high);
      __m256 x = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
      x = _mm256_add_ps(x, _mm256_permute_ps(x, 0x0e));
      x = _mm256_add_ps(x, _mm256_permute_ps(x, 0x01));
      _mm_store_ss(scores + q * kBlockRows, _mm256_castps256_ps128(x));
      _mm_store_ss(scores + q * kBlockRows + 1, _mm256_extractf128_ps(x, 1));
    }
  }
  static std::uint32_t mask(__m256 low, __m256 high) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(low)) | static_cast<std::uint32_t>(_mm256_movemask_ps(high)) << 8;
  }
  static std::uint32_t at_least(const float* x, float floor) {
    const __m256 y = _mm256_set1_ps(floor);
    return mask(_mm256_cmp_ps(_mm256_loadu_ps(x), y, _CMP_GE_OQ), _mm256_cmp_ps(_mm256_loadu_ps(x + 8), y, _CMP_GE_OQ));
  }
  static std::uint32_t less(const float* x, float floor) {
    const __m256 y = _mm256_set1_ps(floor);
    return mask(_mm256_cmp_ps(_mm256_loadu_ps(x), y, _CMP_LT_OQ), _mm256_cmp_ps(_mm256_loadu_ps(x + 8), y, _CMP_LT_OQ));
  }

  /// Pairs of products of 16 bits are exact in 32, where maddubs would saturate.
  struct Codes {
    using Code = std::int16_t;
    using Sum = __m256i;
    using Row = __m128i;
    static constexpr bool kBytes = false;
    static constexpr std::int64_t kStep = 16;

    static Sum zero() { return _mm256_setzero_si256(); }
    static Row row(const std::byte* p) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    }
    static Row row_first(const std::byte* p, int n) {
      std::byte all[kStep] = {};
      std::memcpy(all, p, static_cast<std::size_t>(n));
      return row(all);
    }
    static __m256i query(const Code* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
    static __m256i operand(Row x) { return _mm256_cvtepi8_epi16(x); }
    static Sum add_magnitude(Sum sum, Row x) {
      return _mm256_add_epi32(sum, _mm256_zextsi128_si256(_mm_sad_epu8(_mm_abs_epi8(x), _mm_setzero_si128())));
    }
    static Sum dot(Sum sum, __m256i x, __m256i y) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y)); }
    template <int kQueries>
    static void fold(const Sum (&sum)[kRows][kQueries], std::int32_t* sums) {
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        const __m256i a = sum[0][q], b = sum[1][q];
        __m256i x = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
        x = _mm256_add_epi32(x, _mm256_shuffle_epi32(x, 0x0e));
        x = _mm256_add_epi32(x, _mm256_shuffle_epi32(x, 0x01));
        sums[q * kBlockRows] = _mm_cvtsi128_si32(_mm256_castsi256_si128(x));
        sums[q * kBlockRows + 1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(x, 1));
      }
    }
  };
};
