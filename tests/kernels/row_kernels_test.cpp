#include "kernels/norm/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/thread_pool.h"

namespace edgeclip::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int8_t kUntouched = 99;

using Floats = std::vector<float>;

Floats normal(std::int64_t count, unsigned seed, float size = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, size);
  Floats x(static_cast<std::size_t>(count));
  for (float& v : x) v = draw(random);
  return x;
}

/// Results with a place behind that nobody may write to.
struct Results {
  Floats y, scale;
  std::vector<std::int8_t> q;
  Results(std::int64_t rows, std::int64_t width)
      : y(static_cast<std::size_t>(rows * width + 1), 99), scale(static_cast<std::size_t>(rows + 1), 99),
        q(static_cast<std::size_t>(rows * width + 1), kUntouched) {}
  void expect_untouched_behind() const {
    EXPECT_EQ(y.back(), 99);
    EXPECT_EQ(scale.back(), 99);
    EXPECT_EQ(q.back(), kUntouched);
  }
};

void expect_same_bits(const Floats& a, const Floats& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

struct RowKernelsAt : ::testing::TestWithParam<CpuLevel> {
  const RowKernels& kernels = row_kernels(GetParam());
  const RowKernels& oracle = row_kernels(CpuLevel::scalar);

  void expect_quantized_as_oracle(const Floats& x, std::int64_t width) {
    const std::int64_t rows = static_cast<std::int64_t>(x.size()) / width;
    Results got(rows, width), want(rows, width);
    kernels.quantize({x.data(), rows, width, got.q.data(), got.scale.data()});
    oracle.quantize({x.data(), rows, width, want.q.data(), want.scale.data()});
    EXPECT_EQ(got.q, want.q) << width;
    expect_same_bits(got.scale, want.scale);
  }

  void expect_affine_as_oracle(const Floats& x, std::int64_t width) {
    const std::int64_t rows = static_cast<std::int64_t>(x.size()) / width;
    const auto run = [&](const RowKernels& by) {
      std::tuple<std::vector<std::uint8_t>, std::vector<std::int32_t>, Floats> r{
          std::vector<std::uint8_t>(x.size() + 1, 99), std::vector<std::int32_t>(static_cast<std::size_t>(rows + 1), 999),
          Floats(static_cast<std::size_t>(rows + 1), 99)};
      by.quantize_affine({x.data(), rows, width, std::get<0>(r).data(), std::get<2>(r).data(), std::get<1>(r).data()});
      EXPECT_EQ(std::get<0>(r).back(), 99);
      EXPECT_EQ(std::get<1>(r).back(), 999);
      return r;
    };
    const auto got = run(kernels), want = run(oracle);
    EXPECT_EQ(std::get<0>(got), std::get<0>(want)) << width;
    EXPECT_EQ(std::get<1>(got), std::get<1>(want)) << width;
    expect_same_bits(std::get<2>(got), std::get<2>(want));
  }
};

TEST_P(RowKernelsAt, NormalizesAsTheOracle) {
  unsigned seed = 1;
  for (const std::int64_t width : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 512, 768, 1000}) {
    for (const bool shifted : {true, false}) {
      const std::int64_t rows = 3;
      Floats x = normal(rows * width, seed++, 3);
      for (float& v : x) v += 5;
      const Floats scale = normal(width, seed++), shift = normal(width, seed++);
      Results got(rows, width), want(rows, width);
      NormalizedRows work{x.data(), rows, width, scale.data(), shifted ? shift.data() : nullptr, 1e-5F, got.y.data(), nullptr, nullptr};
      kernels.normalize(work);
      work.y = want.y.data();
      oracle.normalize(work);
      for (std::size_t i = 0; i < got.y.size(); ++i) EXPECT_NEAR(got.y[i], want.y[i], 2e-5F) << width << " " << i;
      got.expect_untouched_behind();
    }
  }
}

TEST_P(RowKernelsAt, BothAtOnceIsOneAfterTheOther) {
  unsigned seed = 100;
  for (const std::int64_t width : {1, 8, 13, 16, 40, 77, 512, 770}) {
    const std::int64_t rows = 4;
    const Floats x = normal(rows * width, seed++), scale = normal(width, seed++), shift = normal(width, seed++);
    Results apart(rows, width), both(rows, width), alone(rows, width);
    NormalizedRows work{x.data(), rows, width, scale.data(), shift.data(), 1e-5F, apart.y.data(), nullptr, nullptr};
    kernels.normalize(work);
    kernels.quantize({apart.y.data(), rows, width, apart.q.data(), apart.scale.data()});
    work.y = both.y.data(), work.q = both.q.data(), work.q_scale = both.scale.data();
    kernels.normalize(work);
    work.y = nullptr, work.q = alone.q.data(), work.q_scale = alone.scale.data();
    kernels.normalize(work);
    expect_same_bits(both.y, apart.y);
    EXPECT_EQ(both.q, apart.q);
    EXPECT_EQ(alone.q, apart.q);
    expect_same_bits(both.scale, apart.scale);
    expect_same_bits(alone.scale, apart.scale);
    both.expect_untouched_behind();
    alone.expect_untouched_behind();
  }
}

TEST_P(RowKernelsAt, NormalizesInPlace) {
  const std::int64_t rows = 2, width = 45;
  const Floats x = normal(rows * width, 7), scale = normal(width, 8);
  Results apart(rows, width), in_place(rows, width);
  std::copy(x.begin(), x.end(), in_place.y.begin());
  kernels.normalize({x.data(), rows, width, scale.data(), nullptr, 1e-5F, apart.y.data(), apart.q.data(), apart.scale.data()});
  kernels.normalize({in_place.y.data(), rows, width, scale.data(), nullptr, 1e-5F, in_place.y.data(), in_place.q.data(), in_place.scale.data()});
  expect_same_bits(in_place.y, apart.y);
  EXPECT_EQ(in_place.q, apart.q);
}

TEST_P(RowKernelsAt, QuantizesToTheOraclesBits) {
  unsigned seed = 200;
  for (std::int64_t width = 1; width <= 70; ++width) expect_quantized_as_oracle(normal(5 * width, seed++, 0.1F), width);
  expect_quantized_as_oracle(normal(6 * 768, seed++, 30), 768);
}
TEST_P(RowKernelsAt, HalvesGoToEven) {
  Floats x;
  for (int i = -127; i < 127; ++i) x.push_back(static_cast<float>(i) + 0.5F);
  x.push_back(127);  // a scale of 1
  expect_quantized_as_oracle(x, static_cast<std::int64_t>(x.size()));
  // scales whose inverse is not exact, and quotients that lie a last bit beside a half
  std::mt19937 random(5);
  std::uniform_real_distribution<float> draw(0.9F, 1.1F);
  for (int round = 0; round < 200; ++round) {
    const float largest = 127 * draw(random), scale = largest / 127.0F;
    Floats row;
    for (int i = -126; i < 126; ++i) {
      const float half = (static_cast<float>(i) + 0.5F) * scale;
      for (const float v : {half, std::nextafter(half, kInfinity), std::nextafter(half, -kInfinity)}) row.push_back(v);
    }
    row.push_back(largest);
    expect_quantized_as_oracle(row, static_cast<std::int64_t>(row.size()));
  }
}
TEST_P(RowKernelsAt, RowsThatNoScaleFits) {
  const std::int64_t width = 37;
  for (const float odd : {0.0F, kNan, kInfinity, -kInfinity, 1e-44F, 1e-38F, 3e38F, 1e-31F}) {
    Floats row(static_cast<std::size_t>(width), 0.0F);
    row[3] = odd;
    row[36] = odd / 2;
    expect_quantized_as_oracle(row, width);
    Floats mixed = normal(width, 3, std::isfinite(odd) && odd != 0 ? odd : 1);
    mixed[20] = odd;
    expect_quantized_as_oracle(mixed, width);
  }
}
TEST_P(RowKernelsAt, QuantizesAffinelyToTheOraclesBits) {
  unsigned seed = 300;
  for (std::int64_t width = 1; width <= 70; ++width) expect_affine_as_oracle(normal(4 * width, seed++, 0.1F), width);
  // one-sided, as behind a GELU: a bit more than half of a step finer than a symmetric range
  Floats x = normal(6 * 768, seed++, 2);
  for (float& v : x) v = v / (1 + std::exp(-1.702F * v));
  expect_affine_as_oracle(x, 768);
  const std::int64_t width = 37;
  for (const float odd : {0.0F, kNan, kInfinity, -kInfinity, 1e-44F, -1e-44F, 1e-38F, 3e38F, -3e38F, 1e-31F}) {
    Floats row(static_cast<std::size_t>(width), 0.0F);
    row[3] = odd;
    row[36] = odd / 2;
    expect_affine_as_oracle(row, width);
    Floats mixed = normal(width, 3, std::isfinite(odd) && odd != 0 ? std::abs(odd) : 1);
    mixed[20] = odd;
    expect_affine_as_oracle(mixed, width);
  }
}
TEST_P(RowKernelsAt, AnAffineRangeReachesItsEnds) {
  // low -1, high 4: steps of 1 / 51, zero at 51; a row above zero starts at zero all the same, one below ends there
  const Floats x = {-1, 4, 0, 2, 1, 2, 3, 5.1F, -1, -2, -3, -2.55F};
  std::vector<std::uint8_t> q(12);
  Floats scale(3);
  std::vector<std::int32_t> zero(3);
  kernels.quantize_affine({x.data(), 3, 4, q.data(), scale.data(), zero.data()});
  EXPECT_EQ(q, (std::vector<std::uint8_t>{0, 255, 51, 153, 50, 100, 150, 255, 170, 85, 0, 38}));
  EXPECT_EQ(zero, (std::vector<std::int32_t>{51, 0, 255}));
  EXPECT_FLOAT_EQ(scale[0], 5.0F / 255);
  EXPECT_FLOAT_EQ(scale[1], 5.1F / 255);
  EXPECT_FLOAT_EQ(scale[2], 3.0F / 255);
}
TEST_P(RowKernelsAt, NoNumbersStayNone) {
  const std::int64_t width = 21;
  Floats x = normal(2 * width, 11);
  x[5] = kNan;
  const Floats scale(static_cast<std::size_t>(width), 1.0F);
  Results got(2, width);
  kernels.normalize({x.data(), 2, width, scale.data(), nullptr, 1e-5F, got.y.data(), got.q.data(), got.scale.data()});
  EXPECT_TRUE(std::isnan(got.y[0]) && std::isnan(got.scale[0]));
  EXPECT_TRUE(std::isfinite(got.y[static_cast<std::size_t>(width)]) && std::isfinite(got.scale[1]));
}

TEST_P(RowKernelsAt, LinearToTheOraclesBits) {
  std::mt19937 random(9);
  for (const float scale : {1.0F, 0.1F, 0.0371F, 3e-39F, 1e30F}) {
    for (const std::int32_t zero : {0, 3, 128, 255}) {
      Floats x = normal(173, random(), scale * 90);
      for (int i = -300; i < 300; ++i) x.push_back((static_cast<float>(i) + 0.5F) * scale);
      for (const float odd : {kNan, kInfinity, -kInfinity, 3e38F, -0.0F}) x.push_back(odd);
      const auto count = static_cast<std::int64_t>(x.size());
      std::vector<std::uint8_t> got(x.size() + 1, 99), want(x.size() + 1, 99);
      kernels.quantize_u8(x.data(), count, scale, zero, got.data());
      oracle.quantize_u8(x.data(), count, scale, zero, want.data());
      EXPECT_EQ(got, want) << scale << " " << zero;
      std::vector<std::int8_t> signed_got(x.size() + 1, 99), signed_want(x.size() + 1, 99);
      kernels.quantize_i8(x.data(), count, scale, zero - 128, signed_got.data());
      oracle.quantize_i8(x.data(), count, scale, zero - 128, signed_want.data());
      EXPECT_EQ(signed_got, signed_want) << scale << " " << zero;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, RowKernelsAt, ::testing::ValuesIn(cpu_levels()),
                         [](const auto& level) { return level_name(level.param); });

TEST(RowKernels, RowsDoNotDependOnHowTheyAreDivided) {
  const std::int64_t rows = 70, width = 768;
  const Floats x = normal(rows * width, 1), scale = normal(width, 2), shift = normal(width, 3);
  Results alone(rows, width), divided(rows, width);
  NormalizedRows work{x.data(), rows, width, scale.data(), shift.data(), 1e-5F, divided.y.data(), divided.q.data(), divided.scale.data()};
  ThreadPool pool(3);
  normalize_rows(work, pool);
  for (std::int64_t r = 0; r < rows; ++r)
    row_kernels().normalize({x.data() + r * width, 1, width, scale.data(), shift.data(), 1e-5F, alone.y.data() + r * width,
                             alone.q.data() + r * width, alone.scale.data() + r});
  expect_same_bits(divided.y, alone.y);
  EXPECT_EQ(divided.q, alone.q);
  expect_same_bits(divided.scale, alone.scale);

  Results quantized(rows, width);
  quantize_rows(QuantizedRows{divided.y.data(), rows, width, quantized.q.data(), quantized.scale.data()}, pool);
  EXPECT_EQ(quantized.q, divided.q);
  std::vector<std::uint8_t> whole(x.size()), parts(x.size());
  std::vector<std::int32_t> zero_whole(rows), zero_parts(rows);
  for (auto [q, zero, executor] : {std::tuple(&whole, &zero_whole, static_cast<Executor*>(&serial_executor())),
                                   std::tuple(&parts, &zero_parts, static_cast<Executor*>(&pool))})
    quantize_rows(AffineRows{x.data(), rows, width, q->data(), quantized.scale.data(), zero->data()}, *executor);
  EXPECT_EQ(parts, whole);
  EXPECT_EQ(zero_parts, zero_whole);
  quantize_linear(x.data(), rows * width, 0.02F, 128, parts.data(), pool);
  quantize_linear(x.data(), rows * width, 0.02F, 128, whole.data(), serial_executor());
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace edgeclip::kernels
