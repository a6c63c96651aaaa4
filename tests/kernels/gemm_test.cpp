#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "base/float16.h"
#include "base/hash.h"
#include "kernels/gemm/micro_kernels.h"
#include "kernels/thread_pool.h"

namespace edgeclip::kernels {
namespace {

struct Sizes {
  std::int64_t m, k, n;
};
const std::vector<Sizes> kSizes = {{1, 1, 1},   {1, 64, 32},  {2, 7, 33},   {5, 130, 17}, {13, 96, 64}, {16, 64, 31},
                                   {17, 65, 96}, {33, 40, 70}, {50, 192, 96}, {77, 64, 130}, {100, 31, 5},
                                   {117, 2100, 70}};  // several chunks of K and parts of rows

std::vector<float> random_floats(std::int64_t count, std::mt19937& rng, float size = 1) {
  std::normal_distribution<float> normal(0, size);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(rng);
  return values;
}

template <class Byte>
std::vector<Byte> random_bytes(std::int64_t count, std::mt19937& rng, int least, int most) {
  std::uniform_int_distribution<int> uniform(least, most);
  std::vector<Byte> values(static_cast<std::size_t>(count));
  for (Byte& value : values) value = static_cast<Byte>(uniform(rng));
  return values;
}

float bf16(float x) {
  std::uint16_t narrow;
  narrow_to_bf16(&x, 1, &narrow);
  const std::uint32_t wide = std::uint32_t{narrow} << 16;
  std::memcpy(&x, &wide, sizeof x);
  return x;
}

/// Largest difference of two outputs of 8 bits, in steps.
template <class Byte>
int steps(const std::vector<Byte>& a, const std::vector<Byte>& b) {
  int most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

class AtEveryLevel : public testing::TestWithParam<CpuLevel> {
 protected:
  ThreadPool pool_{3};
  std::mt19937 rng_{7};
};

INSTANTIATE_TEST_SUITE_P(Gemm, AtEveryLevel, testing::ValuesIn(cpu_levels()),
                         [](const auto& info) { return level_name(info.param); });

/// What varies behind the sums: bias, activation, residual, by the test's number.
struct Behind {
  Behind(const Sizes& s, int number, std::mt19937& rng) {
    bias = random_floats(s.n, rng);
    bias.resize(static_cast<std::size_t>(s.n + 64), 0);
    residual = random_floats(s.m * s.n, rng);
    if (number % 2 == 1) epilogue.bias = bias.data();
    epilogue.activation = static_cast<Activation>(number % 12);
    epilogue.alpha = epilogue.activation == Activation::clip ? -0.5F : 0.3F;
    epilogue.beta = 0.6F;
    if (number % 3 == 1) {
      epilogue.residual = residual.data();
      epilogue.residual_stride = s.n;
    }
    epilogue.out_stride = s.n;
  }
  std::vector<float> bias, residual;
  Epilogue epilogue;
};

TEST_P(AtEveryLevel, Float32) {
  int number = 0;
  for (const Sizes& s : kSizes) {
    for (int variant = 0; variant < 4; ++variant, ++number) {
      const auto a = random_floats(s.m * s.k, rng_), w = random_floats(s.k * s.n, rng_, 1 / std::sqrt(float(s.k)));
      Behind behind(s, number, rng_);
      std::vector<float> expected(static_cast<std::size_t>(s.m * s.n)), given(expected);
      behind.epilogue.out = expected.data();
      reference_gemm(a.data(), s.k, w.data(), s.m, s.k, s.n, behind.epilogue);
      behind.epilogue.out = given.data();
      gemm(pool_, {a.data(), s.m, s.k}, pack_f32(w.data(), s.k, s.n, s.n, 1, GetParam()), behind.epilogue);
      for (std::size_t i = 0; i < given.size(); ++i)
        ASSERT_NEAR(given[i], expected[i], 2e-5) << s.m << " " << s.k << " " << s.n << " variant " << variant << " at " << i;
    }
  }
}

TEST_P(AtEveryLevel, TransposedWeights) {
  const Sizes s{9, 21, 37};
  const auto a = random_floats(s.m * s.k, rng_), w = random_floats(s.k * s.n, rng_);
  std::vector<float> turned(w.size());
  for (std::int64_t k = 0; k < s.k; ++k)
    for (std::int64_t n = 0; n < s.n; ++n) turned[static_cast<std::size_t>(n * s.k + k)] = w[static_cast<std::size_t>(k * s.n + n)];
  std::vector<float> one(static_cast<std::size_t>(s.m * s.n)), other(one);
  Epilogue epilogue;
  epilogue.out_stride = s.n;
  epilogue.out = one.data();
  gemm(pool_, {a.data(), s.m, s.k}, pack_f32(w.data(), s.k, s.n, s.n, 1, GetParam()), epilogue);
  epilogue.out = other.data();
  gemm(pool_, {a.data(), s.m, s.k}, pack_f32(turned.data(), s.k, s.n, 1, s.k, GetParam()), epilogue);
  EXPECT_EQ(one, other);
}

/// As 8-bit products that are widened use them.
TEST_P(AtEveryLevel, Float32WithScalesAndRoundedResults) {
  const Sizes s{13, 20, 37};
  const auto a = random_floats(s.m * s.k, rng_), w = random_floats(s.k * s.n, rng_), rows = random_floats(s.m, rng_);
  const PackedWeights packed = pack_f32(w.data(), s.k, s.n, s.n, 1, GetParam());
  std::vector<float> columns = random_floats(s.n, rng_);
  columns.resize(static_cast<std::size_t>(padded_columns(packed)), 0);
  Epilogue epilogue;
  epilogue.column_scale = columns.data();
  epilogue.row_scale = rows.data();
  epilogue.out_stride = s.n;
  std::vector<float> expected(static_cast<std::size_t>(s.m * s.n)), given(expected);
  epilogue.out = expected.data();
  reference_gemm(a.data(), s.k, w.data(), s.m, s.k, s.n, epilogue);
  epilogue.out = given.data();
  gemm(pool_, {a.data(), s.m, s.k}, packed, epilogue);
  for (std::size_t i = 0; i < given.size(); ++i) ASSERT_NEAR(given[i], expected[i], 1e-4F) << i;
  std::vector<std::int8_t> expected_s8(given.size()), given_s8(given.size());
  epilogue.out_type = OutputType::s8;
  epilogue.out_inverse_scale = 20;
  epilogue.out = expected_s8.data();
  reference_gemm(a.data(), s.k, w.data(), s.m, s.k, s.n, epilogue);
  epilogue.out = given_s8.data();
  gemm(pool_, {a.data(), s.m, s.k}, packed, epilogue);
  EXPECT_LE(steps(given_s8, expected_s8), 1);
}

/// Rows of A one behind the other, `stride` elements of `element` bytes each; with a scale for each row where given.
void expect_rows_alone(Executor& executor, const void* a, std::int64_t rows, std::int64_t stride, std::size_t element,
                       const PackedWeights& packed, const float* column_scale, const float* row_scale) {
  std::vector<float> batch(static_cast<std::size_t>(rows * packed.n)), row(static_cast<std::size_t>(packed.n));
  Epilogue epilogue;
  epilogue.activation = Activation::gelu;
  epilogue.column_scale = column_scale;
  epilogue.row_scale = row_scale;
  epilogue.out_stride = packed.n;
  epilogue.out = batch.data();
  gemm(executor, {a, rows, stride}, packed, epilogue);
  for (std::int64_t m = 0; m < rows; ++m) {
    epilogue.out = row.data();
    if (row_scale) epilogue.row_scale = row_scale + m;
    gemm(serial_executor(), {static_cast<const std::byte*>(a) + static_cast<std::size_t>(m * stride) * element, 1, stride},
         packed, epilogue);
    ASSERT_EQ(std::memcmp(row.data(), batch.data() + m * packed.n, row.size() * 4), 0)
        << product_name(packed) << " row " << m;
  }
}

TEST_P(AtEveryLevel, ARowAloneGivesTheBitsOfTheBatch) {
  // Alone: all of K at once.  The batch: chunks of K, several blocks of panels where one thread does it all.
  const Sizes s{117, 4200, 230};
  const std::array<Executor*, 2> executors = {&pool_, &serial_executor()};
  const auto a = random_floats(s.m * s.k, rng_), w = random_floats(s.k * s.n, rng_);
  const PackedWeights floats = pack_f32(w.data(), s.k, s.n, s.n, 1, GetParam());
  for (Executor* executor : executors) expect_rows_alone(*executor, a.data(), s.m, s.k, 4, floats, nullptr, nullptr);

  const auto w8 = random_bytes<std::int8_t>(s.k * s.n, rng_, -128, 127);
  for (const bool signed_a : {false, true}) {
    const PackedWeights packed = pack_s8(w8.data(), s.k, s.n, signed_a, GetParam());
    const auto a8 = random_bytes<std::uint8_t>(s.m * row_elements(packed), rng_, 0, 255);
    const std::vector<float> columns(static_cast<std::size_t>(padded_columns(packed)), 1e-5F);
    const auto rows = random_floats(s.m, rng_);
    for (Executor* executor : executors)
      expect_rows_alone(*executor, a8.data(), s.m, row_elements(packed), 1, packed, columns.data(), rows.data());
  }

  if (!has_bf16_products(GetParam())) return;
  std::vector<std::uint16_t> w16(w.size());
  narrow_to_bf16(w.data(), s.k * s.n, w16.data());
  const PackedWeights packed = pack_bf16(w16.data(), s.k, s.n, s.n, 1, GetParam());
  std::vector<std::uint16_t> a16(static_cast<std::size_t>(s.m * row_elements(packed)));
  make_rows_bf16(pool_, a.data(), s.m, packed, a16.data());
  for (Executor* executor : executors)
    expect_rows_alone(*executor, a16.data(), s.m, row_elements(packed), 2, packed, nullptr, nullptr);
}

/// Files keep packed weights (engine/cpu/packed_file.h): who changes what packing makes counts kPackedFormat up, and
/// writes down the new checksums.
TEST_P(AtEveryLevel, PacksWhatItsNumberSays) {
  EXPECT_EQ(kPackedFormat, 1U);
  const Sizes s{1, 83, 50};
  std::vector<float> w(static_cast<std::size_t>(s.k * s.n));
  std::vector<std::uint16_t> w16(w.size());
  std::vector<std::int8_t> w8(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    w8[i] = static_cast<std::int8_t>(i * 37 % 251 - 125);
    w[i] = w8[i];
    w16[i] = BFloat16(w[i]).bits;
  }
  std::string sums;
  const auto add = [&](const PackedWeights& packed) {
    Hasher hasher;
    hasher.add(packed.data.data(), packed.data.bytes());
    hasher.add(packed.column_sums.data(), packed.column_sums.size() * 4);
    hasher.add(packed.column_factor.data(), packed.column_factor.size() * 4);
    sums += (sums.empty() ? "" : " ") + hasher.result().substr(0, 6);
  };
  add(pack_f32(w.data(), s.k, s.n, s.n, 1, GetParam()));
  for (const bool signed_a : {false, true}) add(pack_s8(w8.data(), s.k, s.n, signed_a, GetParam()));
  if (has_bf16_products(GetParam())) add(pack_bf16(w16.data(), s.k, s.n, s.n, 1, GetParam()));
  const std::map<CpuLevel, std::string> expected = {
      {CpuLevel::scalar, "89ce0c 1689c8 1689c8"},
      {CpuLevel::avx2, "89ce0c f5ed38 f5ed38"},
      {CpuLevel::avx_vnni, "89ce0c 1689c8 250c0e"},
      {CpuLevel::avx512, "bd173c 3a5049 3a5049"},
      {CpuLevel::avx512_vnni, "bd173c 82b650 e53310"},
      {CpuLevel::avx512_bf16, "bd173c 82b650 e53310 7e4653"},
      {CpuLevel::amx, "bd173c e05dc6 e05dc6 1fe545"},
      {CpuLevel::neon, "89ce0c 1689c8 1689c8"},
      {CpuLevel::neon_dotprod, "89ce0c 1689c8 1689c8"}};
  EXPECT_EQ(sums, expected.at(GetParam()));
}

/// The bits that BFloat16 gives, NaN and halves included, whatever the length.
TEST_P(AtEveryLevel, NarrowsAsBFloat16Does) {
  std::vector<float> x = random_floats(1003, rng_, 100);
  const std::vector<std::uint32_t> patterns = {0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffc12345, 0x7f808000,
                                               0x3f808000, 0x3f818000, 0x7f7fffff, 0x00000001, 0x80000000, 0x3f807fff};
  std::memcpy(x.data(), patterns.data(), patterns.size() * 4);
  std::vector<std::uint16_t> given(x.size());
  epilogues(GetParam()).narrow(x.data(), static_cast<std::int64_t>(x.size()), given.data());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(given[i], BFloat16(x[i]).bits) << i;
}

std::vector<CpuLevel> bf16_levels() {
  std::vector<CpuLevel> levels;
  for (const CpuLevel level : cpu_levels())
    if (has_bf16_products(level)) levels.push_back(level);
  return levels;
}

class WhereBf16IsMultiplied : public AtEveryLevel {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WhereBf16IsMultiplied);
INSTANTIATE_TEST_SUITE_P(Gemm, WhereBf16IsMultiplied, testing::ValuesIn(bf16_levels()),
                         [](const auto& info) { return level_name(info.param); });

TEST_P(WhereBf16IsMultiplied, IsTheReference) {
  int number = 0;
  for (const Sizes& s : kSizes) {
    auto a = random_floats(s.m * s.k, rng_), w = random_floats(s.k * s.n, rng_, 1 / std::sqrt(float(s.k)));
    for (float& x : a) x = bf16(x);
    for (float& x : w) x = bf16(x);
    std::vector<std::uint16_t> narrow_w(w.size());
    narrow_to_bf16(w.data(), s.k * s.n, narrow_w.data());
    const PackedWeights packed = pack_bf16(narrow_w.data(), s.k, s.n, s.n, 1, GetParam());
    const std::int64_t stride = row_elements(packed);
    std::vector<std::uint16_t> narrow_a(static_cast<std::size_t>(s.m * stride), 0);
    for (std::int64_t m = 0; m < s.m; ++m) narrow_to_bf16(a.data() + m * s.k, s.k, narrow_a.data() + m * stride);
    Behind behind(s, ++number, rng_);
    std::vector<float> expected(static_cast<std::size_t>(s.m * s.n)), given(expected);
    behind.epilogue.out = expected.data();
    reference_gemm(a.data(), s.k, w.data(), s.m, s.k, s.n, behind.epilogue);
    behind.epilogue.out = given.data();
    gemm(pool_, {narrow_a.data(), s.m, stride}, packed, behind.epilogue);
    for (std::size_t i = 0; i < given.size(); ++i)
      ASSERT_NEAR(given[i], expected[i], 5e-5) << s.m << " " << s.k << " " << s.n << " at " << i;
  }
}

TEST_P(AtEveryLevel, EightBits) {
  const int bits = needs_seven_bits(GetParam()) ? 64 : 128;
  int number = 0;
  for (const Sizes& s : kSizes) {
    for (const bool signed_a : {false, true}) {
      ++number;
      const auto w = random_bytes<std::int8_t>(s.k * s.n, rng_, -std::min(bits, 128), std::min(bits, 127));
      const PackedWeights packed = pack_s8(w.data(), s.k, s.n, signed_a, GetParam());
      const std::int64_t stride = row_elements(packed);
      auto a = random_bytes<std::uint8_t>(s.m * stride, rng_, 0, 255);
      auto scales = random_floats(s.n, rng_);
      for (float& x : scales) x = (std::abs(x) + 0.1F) / (1000 * std::sqrt(static_cast<float>(s.k)));
      auto row_scales = random_floats(s.m, rng_);
      for (float& x : row_scales) x = std::abs(x) + 0.1F;
      Behind behind(s, number, rng_);
      std::vector<float> padded = scales;
      padded.resize(static_cast<std::size_t>(padded_columns(packed)), 0);
      behind.epilogue.column_scale = padded.data();
      behind.epilogue.a_zero_point = signed_a ? number % 5 - 2 : 100 + number % 7;
      std::vector<std::int32_t> row_zero_points(static_cast<std::size_t>(s.m));
      for (std::size_t m = 0; m < row_zero_points.size(); ++m) row_zero_points[m] = static_cast<std::int32_t>(m * 37 % 256);
      if (number % 3 == 0) behind.epilogue.row_scale = row_scales.data();
      if (number % 3 != 1) behind.epilogue.row_zero_point = row_zero_points.data();
      std::vector<float> expected(static_cast<std::size_t>(s.m * s.n)), given(expected);
      behind.epilogue.out = expected.data();
      reference_gemm(a.data(), stride, signed_a, w.data(), s.m, s.k, s.n, behind.epilogue);
      behind.epilogue.out = given.data();
      gemm(pool_, {a.data(), s.m, stride}, packed, behind.epilogue);
      for (std::size_t i = 0; i < given.size(); ++i)
        ASSERT_NEAR(given[i], expected[i], 3e-6F * (1 + std::abs(expected[i])))
            << s.m << " " << s.k << " " << s.n << " signed " << signed_a << " at " << i;

      behind.epilogue.out_inverse_scale = 40;
      behind.epilogue.out_zero_point = 3;
      std::vector<std::uint8_t> expected_u8(given.size()), given_u8(given.size());
      behind.epilogue.out_type = OutputType::u8;
      behind.epilogue.out = expected_u8.data();
      reference_gemm(a.data(), stride, signed_a, w.data(), s.m, s.k, s.n, behind.epilogue);
      behind.epilogue.out = given_u8.data();
      gemm(pool_, {a.data(), s.m, stride}, packed, behind.epilogue);
      EXPECT_LE(steps(given_u8, expected_u8), 1);
      std::vector<std::int8_t> expected_s8(given.size()), given_s8(given.size());
      behind.epilogue.out_type = OutputType::s8;
      behind.epilogue.out = expected_s8.data();
      reference_gemm(a.data(), stride, signed_a, w.data(), s.m, s.k, s.n, behind.epilogue);
      behind.epilogue.out = given_s8.data();
      gemm(pool_, {a.data(), s.m, stride}, packed, behind.epilogue);
      EXPECT_LE(steps(given_s8, expected_s8), 1);
    }
  }
}

/// All of the largest magnitude: nothing overflows on the way to 32 bits.
TEST_P(AtEveryLevel, EightBitsAtTheirEnds) {
  const int most = needs_seven_bits(GetParam()) ? 64 : 127;
  const Sizes s{3, 256, 40};
  for (const bool signed_a : {false, true})
    for (const int sign : {-1, 1}) {
      const std::vector<std::int8_t> w(static_cast<std::size_t>(s.k * s.n), static_cast<std::int8_t>(sign * most));
      const std::vector<std::uint8_t> a(static_cast<std::size_t>(s.m * s.k), signed_a ? 0x80 : 0xff);
      const PackedWeights packed = pack_s8(w.data(), s.k, s.n, signed_a, GetParam());
      const std::vector<float> ones(static_cast<std::size_t>(padded_columns(packed)), 1);
      std::vector<float> given(static_cast<std::size_t>(s.m * s.n));
      Epilogue epilogue;
      epilogue.column_scale = ones.data();
      epilogue.out = given.data();
      epilogue.out_stride = s.n;
      gemm(pool_, {a.data(), s.m, s.k}, packed, epilogue);
      const auto expected = static_cast<float>(sign * most * (signed_a ? -128 : 255) * s.k);
      for (const float x : given) ASSERT_EQ(x, expected);
    }
}

TEST_P(AtEveryLevel, WeightsOfEightBitsAreHalvedWhereTheyMustBe) {
  const std::int64_t k = 8, n = 3;
  const std::vector<std::int8_t> w = {1, 100, 64, 1, -127, -64, 1, 3, 1, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const PackedWeights packed = pack_s8(w.data(), k, n, false, GetParam());
  if (!needs_seven_bits(GetParam())) {
    EXPECT_TRUE(packed.column_factor.empty());
    return;
  }
  EXPECT_EQ(packed.column_factor[0], 1);
  EXPECT_EQ(packed.column_factor[1], 2);
  EXPECT_EQ(packed.column_factor[2], 1);
  EXPECT_EQ(packed.column_sums[1], 50 - 64 + 2 + 2);  // halves to even; 1/2 becomes 0
}

TEST_P(AtEveryLevel, ActivationsFarOut) {
  // One product by 1 lets each value through.
  const std::vector<float> x = {-1000, -100, -88, -30, -10, -5, -1, -1e-3F, 0, 1e-3F, 1, 5, 10, 88, 1000, NAN};
  const float one = 1;
  const PackedWeights packed = pack_f32(&one, 1, 1, 1, 1, GetParam());
  for (int kind = 0; kind < 12; ++kind) {
    const auto activation = static_cast<Activation>(kind);
    std::vector<float> expected(x.size()), given(x.size());
    Epilogue epilogue;
    epilogue.activation = activation;
    epilogue.alpha = activation == Activation::clip ? -0.5F : 0.3F;
    epilogue.beta = 0.6F;
    epilogue.out_stride = 1;
    epilogue.out = expected.data();
    reference_gemm(x.data(), 1, &one, static_cast<std::int64_t>(x.size()), 1, 1, epilogue);
    epilogue.out = given.data();
    gemm(pool_, {x.data(), static_cast<std::int64_t>(x.size()), 1}, packed, epilogue);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i]))
        EXPECT_TRUE(std::isnan(given[i])) << static_cast<int>(activation);
      else
        EXPECT_NEAR(given[i], expected[i], 4e-7F * (1 + std::abs(expected[i]))) << x[i] << " " << static_cast<int>(activation);
    }
  }
}

}  // namespace
}  // namespace edgeclip::kernels
