// Compiled once per instruction set, in a namespace that says kVectorBytes.

constexpr int kLanes = kVectorBytes / 4;
using Floats = float __attribute__((vector_size(kVectorBytes)));
using Ints = std::int32_t __attribute__((vector_size(kVectorBytes)));
using FloatsUnaligned = float __attribute__((vector_size(kVectorBytes), aligned(4)));
using IntsUnaligned = std::int32_t __attribute__((vector_size(kVectorBytes), aligned(4)));

using Bytes = std::int8_t __attribute__((vector_size(kLanes)));

#define EDGECLIP_INLINE inline __attribute__((always_inline))

EDGECLIP_INLINE Floats load(const float* from) { return *reinterpret_cast<const FloatsUnaligned*>(from); }
EDGECLIP_INLINE Ints load(const std::int32_t* from) { return *reinterpret_cast<const IntsUnaligned*>(from); }
EDGECLIP_INLINE Floats all(float x) { return x - Floats{}; }

/// To the nearest integer, halves to even; |x| < 2^22.
EDGECLIP_INLINE Floats rounded(Floats x) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: the sum's last place is 1
  return (x + kShift) - kShift;
}

/// e^x, about 1e-7 of it.  Range reduction to |r| <= ln 2 / 2 and a polynomial (Cody and Waite); saturates at the ends
/// of float32, where e^-87 stands for zero.
EDGECLIP_INLINE Floats exponential(Floats x) {
  const Floats most = all(88.3762626647949F), least = all(-87.3365478515625F);
  x = x < most ? x : most;  // NaN becomes a number: who calls multiplies by what was NaN
  x = x > least ? x : least;
  const Floats n = rounded(x * 1.44269504088896341F);
  Floats r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  Floats p = all(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const Ints power = __builtin_convertvector(n, Ints) << 23;
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(p) + power);
}

/// Phi(x) of x/2 (1 + erf(x / sqrt 2)) = x Phi(x): Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
EDGECLIP_INLINE Floats normal_distribution(Floats x) {
  const Floats size = x < 0 ? -x : x, z = size * 0.70710678118654752F;
  const Floats t = 1.0F / (1.0F + 0.3275911F * z);
  Floats p = all(1.061405429F);
  p = p * t - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const Floats half_tail = 0.5F * p * t * exponential(-z * z);
  return x < 0 ? half_tail : 1.0F - half_tail;
}

EDGECLIP_INLINE Floats sigmoid(Floats x) { return 1.0F / (1.0F + exponential(-x)); }
EDGECLIP_INLINE Floats between(Floats x, float least, float most) {
  x = x < least ? all(least) : x;  // NaN stays
  return x > most ? all(most) : x;
}
/// Near zero, where 1 - 2 / (e^2x + 1) would lose all digits, x - x^3/3 + 2 x^5/15.
EDGECLIP_INLINE Floats hyperbolic_tangent(Floats x) {
  const Floats size = x < 0 ? -x : x, square = x * x;
  const Floats near = x + x * square * (-0.33333333F + square * (0.13333333F - square * 0.053968254F));
  const Floats far = 1.0F - 2.0F / (exponential(2.0F * size) + 1.0F);
  return size < 0.2F ? near : x < 0 ? -far : x > 0 ? far : x;
}

/// Those that are seldom, by name.
EDGECLIP_INLINE Floats activate_other(Floats x, const Epilogue& e) {
  switch (e.activation) {
    case Activation::clip:
      return between(x, e.alpha, e.beta);
    case Activation::leaky_relu:
      return x < 0 ? e.alpha * x : x;
    case Activation::sigmoid:
      return x != x ? x : sigmoid(x);
    case Activation::hard_sigmoid:
      return between(e.alpha * x + e.beta, 0, 1);
    case Activation::hard_swish:
      return x * between(x * (1.0F / 6) + 0.5F, 0, 1);
    case Activation::swish:
      return x * sigmoid(e.alpha * x);
    case Activation::tanh:
      return hyperbolic_tangent(x);
    case Activation::gelu_tanh:
      return x * sigmoid(1.5957691216F * (x + 0.044715F * x * x * x));  // 1 + tanh z = 2 sigmoid(2 z)
    default:
      return x;
  }
}

/// kActivation: none, relu, quick_gelu, gelu, or any other for all those.
template <Activation kActivation>
EDGECLIP_INLINE Floats activate(Floats x, const Epilogue& e) {
  if constexpr (kActivation == Activation::none) return x;
  if constexpr (kActivation == Activation::relu) return x < 0 ? Floats{} : x;
  if constexpr (kActivation == Activation::quick_gelu) return x / (1.0F + exponential(-1.702F * x));
  if constexpr (kActivation == Activation::gelu) return x * normal_distribution(x);
  return activate_other(x, e);
}

/// Rounded and saturated to 8 bits; a NaN gives the least.
template <class Byte>
EDGECLIP_INLINE void store(Floats y, const Epilogue& e, Byte* out) {
  constexpr float kLeast = std::is_signed_v<Byte> ? -128 : 0, kMost = kLeast + 255;
  const auto zero = static_cast<float>(e.out_zero_point);
  const Floats least = all(kLeast - zero), most = all(kMost - zero);
  Floats x = y * e.out_inverse_scale;
  x = x > least ? x : least;
  x = x < most ? x : most;
  const Ints whole = __builtin_convertvector(rounded(x) + zero, Ints);
  const Bytes narrow = __builtin_convertvector(whole, Bytes);  // the lowest eight bits, of either type
  std::memcpy(out, &narrow, sizeof narrow);
}
EDGECLIP_INLINE void store(Floats y, const Epilogue&, float* out) { *reinterpret_cast<FloatsUnaligned*>(out) = y; }

/// What belongs to a column, for as many columns as a vector has.
struct Columns {
  Floats scale, bias;
  Ints offset, sums;
};

EDGECLIP_INLINE Floats scaled(const float* sums, const Columns& columns, float row_scale, const S8Offsets&, int) {
  return *reinterpret_cast<const Floats*>(sums) * (columns.scale * row_scale);
}
EDGECLIP_INLINE Floats scaled(const std::int32_t* sums, const Columns& columns, float row_scale, const S8Offsets& offsets,
                              int row) {
  Ints sum = *reinterpret_cast<const Ints*>(sums) - columns.offset;
  if (offsets.row) sum -= offsets.row[row];
  if (offsets.row_zero_point) sum -= columns.sums * offsets.row_zero_point[row];
  return __builtin_convertvector(sum, Floats) * (columns.scale * row_scale);
}

template <Activation kActivation, class Sum, class Out>
void finish(const Sum* tile, const TilePlace& place, const Epilogue& e, const S8Offsets& offsets) {
  for (int c = 0; c < place.columns; c += kLanes) {
    const std::int64_t column = place.column + c;
    const int count = std::min(kLanes, place.columns - c);
    Columns columns = {all(1), {}, {}, {}};
    if (e.column_scale) columns.scale = load(e.column_scale + column);
    if (e.bias) columns.bias = load(e.bias + column);
    if (offsets.column) columns.offset = load(offsets.column + c);
    if (offsets.column_sums) columns.sums = load(offsets.column_sums + c);
    const float* residual = e.residual ? e.residual + place.row * e.residual_stride + column : nullptr;
    Out* out = static_cast<Out*>(e.out) + place.row * e.out_stride + column;
    for (int r = 0; r < place.rows; ++r, out += e.out_stride) {
      const float row_scale = e.row_scale ? e.row_scale[place.row + r] : 1.0F;
      const Floats x = scaled(tile + r * place.width + c, columns, row_scale, offsets, r) + columns.bias;
      const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
      Floats added = {};
      if (residual && count == kLanes) {
        added = load(residual + r * e.residual_stride);
      } else if (residual) {  // the last columns: what lies behind them is not ours
        float some[kLanes] = {};
        std::memcpy(some, residual + r * e.residual_stride, bytes);
        added = load(some);
      }
      const Floats y = activate<kActivation>(x, e) + added;
      if (count == kLanes) {
        store(y, e, out);
        continue;
      }
      Out stored[kLanes];
      store(y, e, stored);
      std::memcpy(out, stored, static_cast<std::size_t>(count) * sizeof(Out));
    }
  }
}

template <Activation kActivation, class Sum>
void finish_as(const Sum* tile, const TilePlace& place, const Epilogue& e, const S8Offsets& offsets) {
  switch (e.out_type) {
    case OutputType::f32:
      return finish<kActivation, Sum, float>(tile, place, e, offsets);
    case OutputType::u8:
      return finish<kActivation, Sum, std::uint8_t>(tile, place, e, offsets);
    case OutputType::s8:
      return finish<kActivation, Sum, std::int8_t>(tile, place, e, offsets);
  }
}

template <class Sum>
void finish_tile(const Sum* tile, const TilePlace& place, const Epilogue& e, const S8Offsets& offsets) {
  switch (e.activation) {
    case Activation::none:
      return finish_as<Activation::none>(tile, place, e, offsets);
    case Activation::relu:
      return finish_as<Activation::relu>(tile, place, e, offsets);
    case Activation::quick_gelu:
      return finish_as<Activation::quick_gelu>(tile, place, e, offsets);
    case Activation::gelu:
      return finish_as<Activation::gelu>(tile, place, e, offsets);
    default:
      return finish_as<Activation::tanh>(tile, place, e, offsets);
  }
}

void finish_f32(const float* tile, const TilePlace& place, const Epilogue& e) {
  finish_tile(tile, place, e, {});
}
void finish_s8(const std::int32_t* tile, const TilePlace& place, const Epilogue& e, const S8Offsets& offsets) {
  finish_tile(tile, place, e, offsets);
}

/// The bits of BFloat16(from[i]).
void narrow(const float* from, std::int64_t n, std::uint16_t* to) {
  using Shorts = std::uint16_t __attribute__((vector_size(kVectorBytes / 2)));
  using Words = std::uint32_t __attribute__((vector_size(kVectorBytes)));
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats x = load(from + i);
    const Words bits = reinterpret_cast<Words>(x), upper = bits >> 16, nearest = (bits + 0x7fffU + (upper & 1U)) >> 16;
    const Words nan = (upper & 0x7fU) != 0 ? upper : (upper | 0x40U);
    const Words result = reinterpret_cast<Words>(x != x) != 0 ? nan : nearest;
    const Shorts narrow = __builtin_convertvector(result, Shorts);
    std::memcpy(to + i, &narrow, sizeof narrow);
  }
  for (; i < n; ++i) to[i] = BFloat16(from[i]).bits;
}

#undef EDGECLIP_INLINE
