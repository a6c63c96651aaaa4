// Four lanes of the compiler's own vectors, SSE2 on x86-64 and NEON on aarch64, that attention_parts.inl computes with:
// included before it.

struct Isa {
  typedef float F __attribute__((vector_size(16)));
  typedef std::int32_t I __attribute__((vector_size(16)));
  static constexpr int kLanes = 4, kAccumulators = 12, kValueVectors = 2;

  static F set(float x) { return F{x, x, x, x}; }
  static F load(const float* p) {
    F x;
    std::memcpy(&x, p, sizeof(x));
    return x;
  }
  static F broadcast(const float* p) { return set(*p); }
  static void store(float* p, F x) { std::memcpy(p, &x, sizeof(x)); }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F divide(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  static F select(I where, F a, F b) { return as_float((where & as_int(a)) | (~where & as_int(b))); }
  /// The larger; b where one is NaN.
  static F max_or_second(F a, F b) { return select(a > b, a, b); }
  /// x < least ? 0 : y
  static F zero_where_less(F x, F least, F y) { return as_float(~I(x < least) & as_int(y)); }
  /// x * 2^n for the integer n in the last bits of `shifted`.
  static F add_to_exponent(F x, F shifted) {
    typedef std::uint32_t U __attribute__((vector_size(16)));
    return (F)((U)x + ((U)shifted << 23));
  }
  static bool all_hidden(const float* p) {
    bool hidden = true;
    for (int i = 0; i < kLanes; ++i) hidden = hidden && p[i] == -__builtin_inff();
    return hidden;
  }
  /// to[c * to_step + r] = factor * from[r * step + c] for 4 columns; 0 for what lies behind `rows`
  /// and `columns`, where nothing is read.
  static void transpose(const float* from, std::int64_t step, std::int64_t rows, std::int64_t columns,
                        float factor, float* to, std::int64_t to_step) {
    for (int r = 0; r < kLanes; ++r)
      for (int c = 0; c < kLanes; ++c)
        to[c * to_step + r] = r < rows && c < columns ? factor * from[r * step + c] : 0;
  }

 private:
  static I as_int(F x) { return (I)x; }
  static F as_float(I x) { return (F)x; }
};
