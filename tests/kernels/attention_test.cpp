#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "kernels/thread_pool.h"

namespace edgeclip::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Where heads of q, k and v lie.
enum class Form { fused, rows, planes };  // (B, T, 3 H Dh), (B, T, H, Dh), (B, H, T, Dh)

/// A problem with the memory it points to, each array as long as it has to be and no longer.
struct Case {
  Attention problem;
  std::vector<float> qkv[3], mask, y;

  Case(std::int64_t batch, std::int64_t heads, std::int64_t queries, std::int64_t keys, std::int64_t size, Form form,
       std::uint64_t seed) {
    Attention& p = problem;
    p.batch = batch, p.heads = heads, p.queries = queries, p.keys = keys, p.size = size;
    p.scale = 1 / std::sqrt(static_cast<float>(size));
    Rng rng(seed);
    const std::int64_t width = heads * size;
    HeadRows<const float>* rows[] = {&p.q, &p.k, &p.v};
    for (int i = 0; i < 3; ++i) {
      const std::int64_t length = i == 0 ? queries : keys;
      std::vector<float>& data = qkv[form == Form::fused ? 0 : i];
      if (data.empty()) {
        data.resize(static_cast<std::size_t>(batch * length * width * (form == Form::fused ? 3 : 1)));
        for (float& x : data) x = static_cast<float>(rng.normal());
      }
      if (form == Form::fused)
        *rows[i] = {data.data() + i * width, length * 3 * width, 3 * width, size};
      else if (form == Form::rows)
        *rows[i] = {data.data(), length * width, width, size};
      else
        *rows[i] = {data.data(), length * width, size, length * size};
    }
    y.assign(static_cast<std::size_t>(batch * queries * width), 7.0F);
    p.y = {y.data(), queries * width, width, size};
  }

  /// With these steps where they are not 0 in `over`: (batch, heads, queries, keys).
  void add_mask(bool batch, bool heads, bool queries, bool keys, std::uint64_t seed) {
    const Attention& p = problem;
    std::int64_t n = 1;
    AttentionMask m;
    const auto over = [&](bool is, std::int64_t size, std::int64_t& step) {
      if (!is) return;
      step = n;
      n *= size;
    };
    over(keys, p.keys, m.key);
    over(queries, p.queries, m.query);
    over(heads, p.heads, m.head);
    over(batch, p.batch, m.batch);
    Rng rng(seed);
    mask.resize(static_cast<std::size_t>(n));
    for (float& x : mask) x = rng.chance(0.3) ? -kInfinity : static_cast<float>(rng.uniform(-3, 3));
    m.data = mask.data();
    problem.mask = m;
  }

  std::vector<float> run(CpuLevel level, Executor& executor = serial_executor()) {
    const std::unique_ptr<std::byte, decltype(&std::free)> scratch(
        static_cast<std::byte*>(std::aligned_alloc(64, attention_scratch_bytes(problem, executor.threads()))),
        std::free);
    std::fill(y.begin(), y.end(), 7.0F);
    attend(problem, executor, scratch.get(), level);
    return y;
  }

  std::vector<float> reference() {
    std::fill(y.begin(), y.end(), 7.0F);
    attend_reference(problem);
    return y;
  }
};

/// NaN equals NaN.
void expect_near(const std::vector<float>& y, const std::vector<float>& expected, float tolerance,
                 const std::string& what) {
  ASSERT_EQ(y.size(), expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (std::isnan(y[i]) && std::isnan(expected[i])) continue;
    ASSERT_NEAR(y[i], expected[i], tolerance) << what << ", element " << i;
  }
}

TEST(Attention, IsTheReferenceOverRandomShapesAtEveryLevel) {
  Rng rng(1);
  for (int round = 0; round < 60; ++round) {
    const auto form = static_cast<Form>(rng.below(3));
    const std::int64_t queries = 1 + rng.below(rng.chance(0.2) ? 120 : 60),
                       keys = form == Form::fused ? queries : 1 + rng.below(70),
                       size = 16 * (1 + rng.below(rng.chance(0.2) ? 9 : 5));
    Case c(1 + rng.below(2), 1 + rng.below(3), queries, keys, size, form, static_cast<std::uint64_t>(round));
    c.problem.causal = rng.chance(0.3);
    c.problem.safe = rng.chance(0.5);
    if (rng.chance(0.6))
      c.add_mask(rng.chance(0.5), rng.chance(0.5), rng.chance(0.7), rng.chance(0.9),
                 static_cast<std::uint64_t>(round));
    const std::vector<float> expected = c.reference();
    for (const CpuLevel level : cpu_levels())
      expect_near(c.run(level), expected, 5e-6F,
                  level_name(level) + ", round " + std::to_string(round) + ", " + std::to_string(queries) + " x " +
                      std::to_string(keys) + " x " + std::to_string(size));
  }
}

TEST(Attention, RowsAreTheSameBitsForAnyNumberOfThreadsAndAlone) {
  for (const std::int64_t length : {50, 131}) {
    Case c(3, 2, length, length, 64, Form::fused, 5);
    c.add_mask(true, false, true, true, 5);
    c.problem.safe = true;
    for (const CpuLevel level : cpu_levels()) {
      const std::vector<float> alone = c.run(level);
      for (const int threads : {2, 3, 8}) {
        ThreadPool pool(threads);
        EXPECT_EQ(c.run(level, pool), alone) << level_name(level) << ", " << threads << " threads";
      }
      Case last = c;  // the last of the batch by itself
      Attention& p = last.problem;
      p.batch = 1;
      for (HeadRows<const float>* rows : {&p.q, &p.k, &p.v}) rows->data += 2 * rows->batch;
      p.mask.data += 2 * p.mask.batch;
      last.y.resize(alone.size() / 3);
      p.y.data = last.y.data();
      const std::vector<float> one = last.run(level);
      EXPECT_TRUE(std::equal(one.begin(), one.end(), alone.end() - static_cast<std::ptrdiff_t>(one.size())));
    }
  }
}

TEST(Attention, RowsWithoutASoftmaxAreZerosOrNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const CpuLevel level : cpu_levels())
    for (const bool safe : {true, false}) {
      Case c(1, 1, 40, 33, 32, Form::rows, 7);
      c.problem.safe = safe;
      c.add_mask(false, false, true, true, 7);
      std::fill_n(c.mask.begin() + 3 * 33, 33, -kInfinity);  // hidden altogether: also the last row, and so the
      std::fill_n(c.mask.begin() + 39 * 33, 33, -kInfinity);  // keys that it would see at the end
      c.qkv[0][5 * 32] = nan;
      c.qkv[0][6 * 32] = kInfinity;
      expect_near(c.run(level), c.reference(), 5e-6F, level_name(level));
      for (const int row : {3, 39, 5}) {
        const float y = c.run(level)[static_cast<std::size_t>(row) * 32];
        EXPECT_TRUE(safe ? y == 0 : std::isnan(y)) << level_name(level) << ", row " << row;
      }
    }
}

TEST(Attention, AMaskThatHidesAllKeysOfAHeadIsNoSoftmax) {
  for (const CpuLevel level : cpu_levels()) {
    Case c(1, 2, 17, 20, 16, Form::planes, 8);
    c.add_mask(false, true, false, true, 8);
    std::fill_n(c.mask.begin(), 20, -kInfinity);
    expect_near(c.run(level), c.reference(), 5e-6F, level_name(level));
  }
}

TEST(Attention, KeysHiddenAtTheEndShowInNoBit) {
  for (const CpuLevel level : cpu_levels()) {
    Case c(1, 1, 77, 77, 64, Form::rows, 9);
    c.problem.causal = true;
    const std::vector<float> causal = c.run(level);
    c.problem.causal = false;
    c.mask.resize(77 * 77);
    for (int i = 0; i < 77; ++i)
      for (int j = 0; j < 77; ++j) c.mask[static_cast<std::size_t>(i * 77 + j)] = j > i ? -kInfinity : 0.0F;
    c.problem.mask = {c.mask.data(), 0, 0, 77, 1};
    EXPECT_EQ(c.run(level), causal) << level_name(level);
  }
}

TEST(Attention, WeightsAreExponentialsWithinTwoRoundings) {
  // v is the identity, so that y is the weights; the scores are given by the mask, the first key's is 0.
  Case c(1, 1, 64, 16, 16, Form::rows, 10);
  std::fill(c.qkv[0].begin(), c.qkv[0].end(), 0.0F);
  std::fill(c.qkv[2].begin(), c.qkv[2].end(), 0.0F);
  for (std::size_t j = 0; j < 16; ++j) c.qkv[2][j * 16 + j] = 1;
  c.add_mask(false, false, true, true, 10);
  Rng rng(10);
  for (std::size_t i = 0; i < c.mask.size(); ++i)
    c.mask[i] = i % 16 == 0 ? 0.0F : static_cast<float>(-rng.uniform(0, i % 2 == 0 ? 1 : 80));
  for (const CpuLevel level : cpu_levels()) {
    const std::vector<float> y = c.run(level);
    for (std::size_t i = 0; i < y.size(); i += 16)
      for (std::size_t j = 0; j < 16; ++j) {
        const double expected = std::exp(static_cast<double>(c.mask[i + j]));
        // The score is rounded to a multiple of ln 2, which is worth its size in the result.
        const double tolerance = expected * 0x1p-23 * (4 - static_cast<double>(c.mask[i + j]));
        EXPECT_NEAR(static_cast<double>(y[i + j]) / static_cast<double>(y[i]), expected, tolerance);
      }
  }
}

TEST(Attention, NothingToDo) {
  Case c(0, 2, 5, 5, 16, Form::rows, 11);
  EXPECT_TRUE(c.run(cpu_level()).empty());
}

}  // namespace
}  // namespace edgeclip::kernels
