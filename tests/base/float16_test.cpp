#include "base/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace edgeclip {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// What the bits mean, from the definition: `fraction_bits` of mantissa, exponents biased by `bias`.
double meaning(std::uint16_t bits, int fraction_bits, int bias) {
  const int exponents = 1 << (15 - fraction_bits), exponent = bits >> fraction_bits & (exponents - 1),
            mantissa = bits & ((1 << fraction_bits) - 1);
  double magnitude = 0;
  if (exponent == exponents - 1)
    magnitude = mantissa != 0 ? NAN : static_cast<double>(kInfinity);
  else if (exponent == 0)
    magnitude = std::ldexp(mantissa, 1 - bias - fraction_bits);
  else
    magnitude = std::ldexp(mantissa + (1 << fraction_bits), exponent - bias - fraction_bits);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// Every pattern means what it should and comes back; between two neighbours, what is nearer wins and halves
/// go to the even one, from float as from double.
template <class T>
void check_all_patterns(int fraction_bits, int bias) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const T value = T::of_bits(bits);
    const auto wide = static_cast<float>(value);
    const double meant = meaning(bits, fraction_bits, bias);
    ASSERT_TRUE(static_cast<double>(wide) == meant || (std::isnan(wide) && std::isnan(meant))) << i;
    ASSERT_EQ(std::signbit(wide), (bits & 0x8000) != 0) << i;
    ASSERT_EQ(T(wide).bits, bits) << i;
    if (std::isnan(wide)) continue;
    ASSERT_EQ(T(static_cast<double>(wide)).bits, bits) << i;
    if (std::isinf(wide)) continue;

    const auto next = static_cast<std::uint16_t>(bits + 1);  // further from 0
    const double after = meaning(next, fraction_bits, bias);
    // beyond the largest value, the next one would be as far away as the one before
    const double step = std::isinf(after)
                            ? meant - meaning(static_cast<std::uint16_t>(bits - 1), fraction_bits, bias)
                            : after - meant;
    const double middle = meant + step / 2;
    const std::uint16_t even = (bits & 1) == 0 ? bits : next;
    ASSERT_EQ(T(middle).bits, even) << i;
    ASSERT_EQ(T(static_cast<float>(middle)).bits, even) << i;
    const double towards = std::nextafter(middle, meant), beyond = std::nextafter(middle, 2 * middle);
    ASSERT_EQ(T(towards).bits, bits) << i;
    ASSERT_EQ(T(beyond).bits, next) << i;
    const auto single = static_cast<float>(middle);
    ASSERT_EQ(T(std::nextafterf(single, wide)).bits, bits) << i;
    ASSERT_EQ(T(std::nextafterf(single, 2 * single)).bits, next) << i;
  }
}

TEST(Half, AllPatterns) { check_all_patterns<Half>(10, 15); }

TEST(BFloat16, AllPatterns) { check_all_patterns<BFloat16>(7, 127); }

template <class T>
void check_ends() {
  EXPECT_EQ(static_cast<float>(T(kInfinity)), kInfinity);
  EXPECT_EQ(static_cast<float>(T(-kInfinity)), -kInfinity);
  EXPECT_EQ(static_cast<float>(T(1e300)), kInfinity);
  EXPECT_EQ(static_cast<float>(T(std::numeric_limits<float>::max())), kInfinity);
  EXPECT_EQ(T(-0.0F).bits, 0x8000);
  EXPECT_EQ(T(-1e-300).bits, 0x8000);
  for (const std::uint32_t bits : {0x7fc00000U, 0xffc00000U, 0x7f800001U, 0xffffffffU}) {
    const T nan(detail::float_of_bits(bits));  // a payload in the lower bits alone stays a NaN
    EXPECT_TRUE(std::isnan(static_cast<float>(nan)));
    EXPECT_EQ(nan.bits >> 15, static_cast<int>(bits >> 31));
  }
  EXPECT_TRUE(std::isnan(static_cast<float>(T(std::nan("")))));
}

TEST(Half, Ends) { check_ends<Half>(); }

TEST(BFloat16, Ends) { check_ends<BFloat16>(); }

TEST(Half, ADoubleIsRoundedOnce) {
  // above the middle of 1 and 1 + 2^-10 by less than float32 holds: through it, it would become 1
  EXPECT_EQ(Half(1 + 0x1p-11 + 0x1p-40).bits, 0x3c01);
  EXPECT_EQ(BFloat16(1 + 0x1p-8 + 0x1p-40).bits, 0x3f81);
}

TEST(Float16Tensors, WidenAndNarrow) {
  const Tensor half = Tensor::from<Half>({2}, {Half(1.5F), Half(-2.0F)});
  const Tensor wide = widened(half.view());
  EXPECT_EQ(wide.dtype(), DType::f32);
  EXPECT_EQ(wide.shape(), (Shape{2}));
  EXPECT_EQ(wide.data<float>()[1], -2);
  Tensor back(DType::bf16, {2});
  narrow(wide.data<float>(), DType::bf16, back.raw(), 2);
  EXPECT_EQ(static_cast<float>(back.data<BFloat16>()[0]), 1.5F);
}

}  // namespace
}  // namespace edgeclip
