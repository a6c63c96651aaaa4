// The row kernels over a vector type V, included by a file per instruction set inside its target region.  V has
//   kWidth                     floats in a vector
//   load(p), load(p, n)        n < kWidth: the rest is 0
//   store(p), store(p, n)
//   set(float), +, -, *, /, fma(a, b, c) = a b + c, sum() of all
//   abs_max(bits, v)           the larger of bits and the bits of |v|, as integers; Bits::largest() of all
//   keep(n)                    0 from element n on
//   rounds(r, n, limit)        whether |r - n| > limit anywhere, or r is NaN
//   nearest()                  rounded, halves to even
//   clamp(low, high)           NaN stays
//   min(a, b), max(a, b)       of numbers; lowest(), highest() of all
//   number()                   NaN as 0
//   store_i8(p, zero, n), store_u8(p, zero, n)      integers plus zero, n of them
// and nothing of it is called with n = 0.  ROW_TARGET is the set as an attribute: regions do not reach into lambdas.

/// Products by 1 / scale stand for quotients while this holds: both are rounded to 24 bits.
inline bool has_inverse(float scale) { return scale > 0x1p-100F && scale < 0x1p100F; }
/// x (1 / scale) is off x / scale by less than 2^-22 of itself, less than this for up to 512: where it is no
/// further from halfway between two integers, only the quotient says which.
constexpr float kSureOfRounding = 0.5F - 0x1p-12F;

/// body(offset, whole vector) and at the end body(offset, how many).
template <class V, class Body>
inline void for_vectors(std::int64_t width, const Body& body) {
  std::int64_t k = 0;
  for (; k + V::kWidth <= width; k += V::kWidth) body(k, V::kWidth);
  if (k < width) body(k, static_cast<int>(width - k));
}

template <class V>
inline V load(const float* p, int n) {
  return n == V::kWidth ? V::load(p) : V::load(p, n);
}

/// sum of term(vector) over a row: four sums at a time, since one would wait for itself.
template <class V, class Term>
inline float sum_of(const float* x, std::int64_t width, const Term& term) {
  V s0 = V::set(0), s1 = V::set(0), s2 = V::set(0), s3 = V::set(0);
  std::int64_t k = 0;
  for (; k + 4 * V::kWidth <= width; k += 4 * V::kWidth) {
    s0 = term(s0, V::load(x + k), V::kWidth);
    s1 = term(s1, V::load(x + k + V::kWidth), V::kWidth);
    s2 = term(s2, V::load(x + k + 2 * V::kWidth), V::kWidth);
    s3 = term(s3, V::load(x + k + 3 * V::kWidth), V::kWidth);
  }
  for (; k + V::kWidth <= width; k += V::kWidth) s0 = term(s0, V::load(x + k), V::kWidth);
  if (k < width) s1 = term(s1, V::load(x + k, static_cast<int>(width - k)), static_cast<int>(width - k));
  return ((s0 + s1) + (s2 + s3)).sum();
}

/// x as integers: round(x / scale), halves to even.  exact: x (1 / scale) may not stand for the quotient.
template <class V>
inline V quotient(V x, V scale, V inverse, bool exact) {
  if (!exact) {
    const V r = x * inverse, n = r.nearest();
    if (!V::rounds(r, n, V::set(kSureOfRounding))) return n;
  }
  return (x / scale).nearest();
}

/// Quantizes what value(offset, n) gives, a row whose largest magnitude is that of `scale`.
template <class V, class Value>
inline void quantize_row(std::int64_t width, float scale, std::int8_t* q, const Value& value) {
  const bool exact = !has_inverse(scale);
  const V s = V::set(scale), inverse = V::set(exact ? 0 : 1 / scale);
  for_vectors<V>(width, [&](std::int64_t k, int n) ROW_TARGET {
    V v = quotient(value(k, n), s, inverse, exact);
    if (exact) v = v.number().clamp(V::set(-127), V::set(127));
    v.store_i8(q + k, 0, n);
  });
}

template <class V>
void quantize(const QuantizedRows& work) {
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * work.width;
    const auto value = [&](std::int64_t k, int n) ROW_TARGET { return load<V>(x + k, n); };
    typename V::Bits largest;
    for_vectors<V>(work.width, [&](std::int64_t k, int n) ROW_TARGET { largest.take(value(k, n)); });
    const float scale = scale_of_row(largest.magnitude());
    if (work.q_scale) work.q_scale[r] = scale;
    if (work.q) quantize_row<V>(work.width, scale, work.q + r * work.width, value);
  }
}

template <class V>
void quantize_affine(const AffineRows& work) {
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * work.width;
    typename V::Bits largest;
    V lowest = V::set(0), highest = V::set(0);
    for_vectors<V>(work.width, [&](std::int64_t k, int n) ROW_TARGET {
      const V v = load<V>(x + k, n);  // behind the end of a row are zeros
      largest.take(v);
      lowest = V::min(lowest, v);
      highest = V::max(highest, v);
    });
    float scale = largest.magnitude();
    std::int32_t zero = 0;
    const bool finite = scale - scale == 0;
    if (finite) {
      const float low = lowest.lowest();
      scale = affine_scale(low, highest.highest());
      zero = affine_zero_point(low, scale);
    }
    if (work.q_scale) work.q_scale[r] = scale;
    if (work.q_zero) work.q_zero[r] = zero;
    if (!work.q) continue;
    std::uint8_t* q = work.q + r * work.width;
    if (!finite) {
      std::memset(q, 0, static_cast<std::size_t>(work.width));
      continue;
    }
    const bool exact = !has_inverse(scale);
    const V s = V::set(scale), inverse = V::set(exact ? 0 : 1 / scale);
    const V least = V::set(static_cast<float>(-zero)), most = V::set(static_cast<float>(255 - zero));
    for_vectors<V>(work.width, [&](std::int64_t k, int n) ROW_TARGET {
      quotient(load<V>(x + k, n), s, inverse, exact).clamp(least, most).store_u8(q + k, zero, n);
    });
  }
}

template <class V>
void normalize(const NormalizedRows& work) {
  const std::int64_t width = work.width;
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * width;
    const float mean = sum_of<V>(x, width, [](V sum, V v, int) ROW_TARGET { return sum + v; }) / static_cast<float>(width);
    const V m = V::set(mean);
    const float variance = sum_of<V>(x, width, [&](V sum, V v, int n) ROW_TARGET {
                             const V d = n == V::kWidth ? v - m : (v - m).keep(n);
                             return V::fma(d, d, sum);
                           }) / static_cast<float>(width);
    const V inverse = V::set(1 / std::sqrt(variance + work.epsilon));
    const auto normalized = [&](std::int64_t k, int n) ROW_TARGET {
      const V v = (load<V>(x + k, n) - m) * inverse, scale = load<V>(work.scale + k, n);
      return work.shift ? V::fma(v, scale, load<V>(work.shift + k, n)) : v * scale;
    };
    float* y = work.y ? work.y + r * width : nullptr;
    typename V::Bits largest;
    for_vectors<V>(width, [&](std::int64_t k, int n) ROW_TARGET {
      const V v = normalized(k, n);
      if (work.q) largest.take(v);
      if (!y) return;
      if (n == V::kWidth)
        v.store(y + k);
      else
        v.store(y + k, n);
    });
    if (!work.q) continue;
    const float scale = scale_of_row(largest.magnitude());
    if (work.q_scale) work.q_scale[r] = scale;
    std::int8_t* q = work.q + r * width;
    // Computed again rather than kept: the same operations, so the same bits.
    if (y)
      quantize_row<V>(width, scale, q, [&](std::int64_t k, int n) ROW_TARGET { return load<V>(y + k, n); });
    else
      quantize_row<V>(width, scale, q, normalized);
  }
}

template <class V, class T>
void quantize_linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, T* y) {
  constexpr bool kSigned = std::is_signed_v<T>;
  const float lowest = (kSigned ? -128.0F : 0.0F) - static_cast<float>(zero_point);
  const V low = V::set(lowest), high = V::set(lowest + 255.0F), s = V::set(scale);
  const bool exact = !has_inverse(scale);
  const V inverse = V::set(exact ? 0 : 1 / scale);
  for_vectors<V>(count, [&](std::int64_t k, int n) ROW_TARGET {
    // Quotients beyond what the type holds, however large, are clamped before they are rounded.
    const V v = load<V>(x + k, n);
    V r = exact ? v / s : (v * inverse).number().clamp(low, high);
    if (!exact && V::rounds(r, r.nearest(), V::set(kSureOfRounding))) r = v / s;
    r = r.number().clamp(low, high).nearest();
    if constexpr (kSigned)
      r.store_i8(y + k, zero_point, n);
    else
      r.store_u8(y + k, zero_point, n);
  });
}

// Constant: nothing of this level may run before main() on a lesser machine.
constexpr RowKernels kernels_of(const char* name) {
  return {name, normalize<Vector>, quantize<Vector>, quantize_affine<Vector>, quantize_linear<Vector, std::uint8_t>,
          quantize_linear<Vector, std::int8_t>};
}
