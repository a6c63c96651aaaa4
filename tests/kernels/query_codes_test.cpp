#include "kernels/scan/query_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/scan/scan.h"

namespace edgeclip::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

using Floats = std::vector<float>;

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

Floats normal(std::int64_t count, unsigned seed, float size) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, size);
  Floats x(size_of(count));
  for (float& v : x) v = draw(random);
  return x;
}

/// Over random rows, and the worst one, whose signs are those of the residual.
TEST(QueryCodes, NoScoreIsAboveItsBound) {
  std::mt19937 random(13);
  double tightest = 1e30;
  for (int round = 0; round < 400; ++round) {
    const auto dim = static_cast<std::int64_t>(1 + random() % 700);
    const float size = std::exp(std::uniform_real_distribution<float>(-60, 60)(random));
    Floats y = normal(dim, static_cast<unsigned>(round), size);
    if (round % 5 == 0) y[0] *= 1000;
    for (const std::int32_t most : {1, 127, 3000}) {
      std::vector<std::int16_t> code(size_of(dim));
      const QueryCodes codes = quantize_query(y.data(), dim, most, code.data());
      ASSERT_TRUE(std::isfinite(codes.slack));
      for (int kind = 0; kind < 3; ++kind) {
        std::vector<std::int8_t> row(size_of(dim));
        std::int64_t sum = 0, magnitude = 0;
        for (std::size_t d = 0; d < row.size(); ++d) {
          const float residual = y[d] - codes.step * code[d];
          const auto drawn = static_cast<std::int8_t>(random());
          row[d] = kind == 0 ? drawn : kind == 1 ? (residual > 0 ? 127 : -128) : static_cast<std::int8_t>(drawn % 2);
          ASSERT_LE(std::abs(code[d]), most);
          sum += row[d] * code[d];
          magnitude += std::abs(row[d]);
        }
        const float one = 1;
        const float score = reference_score({ScanType::s8, row.data(), &one, 1, dim, nullptr, 0}, 0, y.data());
        const float bound = codes.step * static_cast<float>(sum) + codes.slack * static_cast<float>(magnitude);
        ASSERT_LE(score, bound) << round << ' ' << most << ' ' << kind;
        if (magnitude > 0)
          tightest = std::min(tightest, (static_cast<double>(bound) - static_cast<double>(score)) /
                                            (static_cast<double>(codes.slack) * static_cast<double>(magnitude)));
      }
    }
  }
  EXPECT_LT(tightest, 0.5);  // it is no bound of infinity either
}

/// A query that codes give exactly, and a row whose sum in float32 is rounded upwards in each step from 2^25 on.
TEST(QueryCodes, TheRoundingOfLongSumsIsInTheBound) {
  const std::int64_t dim = kLongestCoded;
  const Floats y(size_of(dim), 127);
  const std::vector<std::int8_t> row(size_of(dim), 125);
  std::vector<std::int16_t> code(size_of(dim));
  const QueryCodes codes = quantize_query(y.data(), dim, 127, code.data());
  const float one = 1, score = reference_score({ScanType::s8, row.data(), &one, 1, dim, nullptr, 0}, 0, y.data());
  const auto sum = static_cast<float>(125 * 127 * dim), magnitude = static_cast<float>(125 * dim);
  ASSERT_EQ(codes.step, 1);
  EXPECT_GT(score, codes.step * sum);
  EXPECT_LE(score, codes.step * sum + codes.slack * magnitude);
  EXPECT_LT(codes.slack * magnitude, 0.002F * sum);
}

TEST(QueryCodes, NoBoundWhereNoneHolds) {
  std::vector<std::int16_t> code(3);
  for (const float odd : {kNan, kInfinity, -kInfinity, 1e31F, -3e38F}) {
    const float y[] = {1, odd, 0};
    EXPECT_EQ(quantize_query(y, 3, 127, code.data()).slack, kInfinity);
    EXPECT_EQ(code, std::vector<std::int16_t>(3));
  }
  const float tiny[] = {1e-31F, 0, 1e-44F}, zeros[] = {0, -0.0F, 0};
  EXPECT_EQ(quantize_query(tiny, 3, 127, code.data()).slack, kInfinity);
  EXPECT_EQ(quantize_query(zeros, 3, 127, code.data()).slack, 0);
}

}  // namespace
}  // namespace edgeclip::kernels
