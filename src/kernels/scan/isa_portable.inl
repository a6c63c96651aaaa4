// Four vectors of four lanes, SSE2 on x86-64 and NEON on aarch64: included by scan_parts.inl.

struct Isa {
  typedef float F __attribute__((vector_size(16)));
  struct V {
    F quarter[4];
  };
  static constexpr int kRows = 2, kGroup = 2, kCodeGroup = 4;

  static V zero() { return {}; }
  /// A quarter at a time: a copy of all goes through memory.
  static F load_quarter(const std::byte* p) {
    F x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static V load(F32, const std::byte* p) {
    return {load_quarter(p), load_quarter(p + 16), load_quarter(p + 32), load_quarter(p + 48)};
  }
  static V load(F16, const std::byte* p) {
    std::uint16_t bits[16];
    std::memcpy(bits, p, sizeof bits);
    V x;
#if defined(__aarch64__)
    for (int i = 0; i < 4; ++i) x.quarter[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(bits + 4 * i)));
#else
    for (int l = 0; l < 16; ++l) x.quarter[l / 4][l % 4] = static_cast<float>(Half::of_bits(bits[l]));
#endif
    return x;
  }
  static V load(S8, const std::byte* p) {
    V x;
    for (int l = 0; l < 16; ++l) x.quarter[l / 4][l % 4] = static_cast<float>(static_cast<std::int8_t>(p[l]));
    return x;
  }
  template <class Element>
  static V load_first(Element element, const std::byte* p, int n) {
    std::byte all[16 * Element::kBytes] = {};
    std::memcpy(all, p, static_cast<std::size_t>(n * Element::kBytes));
    return load(element, all);
  }
  static void store(float* p, const V& x) { std::memcpy(p, &x, sizeof x); }
  static F fma(F a, F b, F c) {
#if defined(__aarch64__)
    return vfmaq_f32(c, a, b);
#else
    for (int l = 0; l < 4; ++l) c[l] = __builtin_fmaf(a[l], b[l], c[l]);
    return c;
#endif
  }
  static V fma(const V& a, const V& b, const V& c) {
    return {fma(a.quarter[0], b.quarter[0], c.quarter[0]), fma(a.quarter[1], b.quarter[1], c.quarter[1]),
            fma(a.quarter[2], b.quarter[2], c.quarter[2]), fma(a.quarter[3], b.quarter[3], c.quarter[3])};
  }
  template <int kQueries>
  static void fold(const V (&sum)[kRows][kQueries], float* scores) {
    for (int q = 0; q < kQueries; ++q)
      for (int r = 0; r < kRows; ++r) {
        const F(&x)[4] = sum[r][q].quarter;
        const F y = (x[0] + x[2]) + (x[1] + x[3]);
        scores[q * kBlockRows + r] = (y[0] + y[2]) + (y[1] + y[3]);
      }
  }
  static std::uint32_t at_least(const float* x, float floor) {
    std::uint32_t bits = 0;
    for (int l = 0; l < 16; ++l) bits |= std::uint32_t{x[l] >= floor} << l;
    return bits;
  }
  static std::uint32_t less(const float* x, float floor) {
    std::uint32_t bits = 0;
    for (int l = 0; l < 16; ++l) bits |= std::uint32_t{x[l] < floor} << l;
    return bits;
  }

  struct Codes {
    using Code = std::int16_t;
    typedef std::int32_t Sum __attribute__((vector_size(16)));
    typedef std::int16_t Half8 __attribute__((vector_size(16)));
    struct Row {
      Half8 low, high;
    };
    static constexpr bool kBytes = false;
    static constexpr std::int64_t kStep = 16;

    static Sum zero() { return Sum{}; }
    static Half8 widened(const std::byte* p) {
#if defined(__aarch64__)
      return vmovl_s8(vld1_s8(reinterpret_cast<const std::int8_t*>(p)));
#else
      Half8 x;
      for (int l = 0; l < 8; ++l) x[l] = static_cast<std::int8_t>(p[l]);
      return x;
#endif
    }
    static Row row(const std::byte* p) { return {widened(p), widened(p + 8)}; }
    static Row row_first(const std::byte* p, int n) {
      std::byte all[kStep] = {};
      std::memcpy(all, p, static_cast<std::size_t>(n));
      return row(all);
    }
    static Row query(const Code* p) {
      Row y;
      std::memcpy(&y.low, p, sizeof y.low);
      std::memcpy(&y.high, p + 8, sizeof y.high);
      return y;
    }
    static Row operand(const Row& x) { return x; }
    static Sum dot(Sum sum, Half8 x, Half8 y) {
#if defined(__aarch64__)
      return vmlal_high_s16(vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y)), x, y);
#else
      for (int l = 0; l < 8; ++l) sum[l % 4] += std::int32_t{x[l]} * y[l];
      return sum;
#endif
    }
    static Sum dot(Sum sum, const Row& x, const Row& y) { return dot(dot(sum, x.low, y.low), x.high, y.high); }
    static Sum add_magnitude(Sum sum, const Row& x) {
      const Half8 signs[] = {x.low < 0, x.high < 0};  // -1 where negative
      return dot(sum, x, {signs[0] * 2 + 1, signs[1] * 2 + 1});
    }
    template <int kQueries>
    static void fold(const Sum (&sum)[kRows][kQueries], std::int32_t* sums) {
      for (int q = 0; q < kQueries; ++q)
        for (int r = 0; r < kRows; ++r) {
          const Sum x = sum[r][q];
          sums[q * kBlockRows + r] = (x[0] + x[2]) + (x[1] + x[3]);
        }
    }
  };
};
