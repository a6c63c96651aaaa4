#include "kernels/attention/attention_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "kernels/attention/widen.h"
#include "kernels/thread_pool.h"

namespace edgeclip::kernels {
namespace {

/// A problem with its memory: q, k, v in one matrix (B, T, 3 H Dh), so are their gradients, which are NaN before.
struct GradientCase {
  AttentionGradient problem;
  std::vector<float> qkv, g, bias, out;

  GradientCase(std::int64_t batch, std::int64_t heads, std::int64_t length, std::int64_t size,
               std::uint64_t seed)
      : length_(length) {
    Attention& p = problem.of;
    p.batch = batch, p.heads = heads, p.queries = p.keys = length, p.size = size;
    p.scale = 1 / std::sqrt(static_cast<float>(size));
    const std::int64_t width = heads * size;
    Rng rng(seed);
    qkv.resize(static_cast<std::size_t>(batch * length * width * 3));
    g.resize(static_cast<std::size_t>(batch * length * width));
    for (std::vector<float>* all : {&qkv, &g})
      for (float& x : *all) x = static_cast<float>(rng.normal());
    HeadRows<const float>* const operands[] = {&p.q, &p.k, &p.v};
    for (int i = 0; i < 3; ++i)
      *operands[i] = {qkv.data() + i * width, length * 3 * width, 3 * width, size};
    problem.g = {g.data(), length * width, width, size};
  }
  /// One query per batch: the last row.
  void ask_last_row() {
    Attention& p = problem.of;
    p.q.data += (length_ - 1) * p.q.row;
    problem.g.data += (length_ - 1) * problem.g.row;
    p.queries = 1;
  }
  /// Of the keys of each batch.
  void add_bias(std::uint64_t seed) {
    Attention& p = problem.of;
    Rng rng(seed);
    bias.resize(static_cast<std::size_t>(p.batch * p.keys));
    for (float& x : bias)
      x = rng.chance(0.3) ? -1e38F : static_cast<float>(rng.normal());
    p.mask = {bias.data(), p.keys, 0, 0, 1};
  }
  std::vector<float> run(const CpuLevel* level, Executor& executor = serial_executor()) {
    const Attention& p = problem.of;
    const std::int64_t width = p.heads * p.size;
    out.assign(qkv.size(), std::numeric_limits<float>::quiet_NaN());
    HeadRows<float>* const results[] = {&problem.q, &problem.k, &problem.v};
    for (int i = 0; i < 3; ++i)
      *results[i] = {out.data() + i * width, p.keys * 3 * width, 3 * width, p.size};
    if (!level) {
      attention_gradient_reference(problem);
      return out;
    }
    const std::unique_ptr<std::byte, decltype(&std::free)> scratch(
        static_cast<std::byte*>(
            std::aligned_alloc(64, attention_gradient_scratch_bytes(p, executor.threads()))),
        std::free);
    attention_gradient(problem, executor, scratch.get(), *level);
    return out;
  }

 private:
  const std::int64_t length_;
};

/// NaN equals NaN: what is not written.
void expect_near(const std::vector<float>& actual, const std::vector<float>& expected,
                 const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(actual[i]) && std::isnan(expected[i])) continue;
    ASSERT_NEAR(actual[i], expected[i], 2e-5F) << what << ", element " << i;
  }
}

TEST(AttentionGradient, TheReferenceIsTheSlopeOfAttend) {
  GradientCase c(1, 2, 5, 3, 1);
  c.add_bias(1);
  const auto loss = [&] {
    Attention p = c.problem.of;
    std::vector<float> y(c.g.size());
    p.y = {y.data(), c.problem.g.batch, c.problem.g.row, c.problem.g.head};
    attend_reference(p);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(c.g[i]);
    return sum;
  };
  for (const bool causal : {false, true}) {
    c.problem.of.causal = causal;
    const std::vector<float> gradient = c.run(nullptr);
    for (std::size_t i = 0; i < c.qkv.size(); ++i) {
      const float x = c.qkv[i], step = 0x1p-8F;
      c.qkv[i] = x + step;
      const double above = loss();
      c.qkv[i] = x - step;
      const double below = loss();
      c.qkv[i] = x;
      ASSERT_NEAR((above - below) / (2 * static_cast<double>(step)), static_cast<double>(gradient[i]), 1e-3)
          << i;
    }
  }
}

TEST(AttentionGradient, IsTheReferenceOverRandomShapesAtEveryLevel) {
  Rng rng(2);
  for (int round = 0; round < 30; ++round) {
    const std::int64_t length = 1 + rng.below(rng.chance(0.2) ? 120 : 60),
                       size = 16 * (1 + rng.below(rng.chance(0.2) ? 9 : 5));
    GradientCase c(1 + rng.below(2), 1 + rng.below(3), length, size, static_cast<std::uint64_t>(round));
    if (rng.chance(0.4)) c.add_bias(static_cast<std::uint64_t>(round));
    if (rng.chance(0.3))
      c.ask_last_row();
    else
      c.problem.of.causal = rng.chance(0.4);
    const std::vector<float> expected = c.run(nullptr);
    for (const CpuLevel level : cpu_levels())
      expect_near(c.run(&level), expected,
                  level_name(level) + ", round " + std::to_string(round) + ", " + std::to_string(length) +
                      " rows of " + std::to_string(size));
  }
}

TEST(AttentionGradient, IsTheSameBitsForAnyNumberOfThreads) {
  GradientCase c(3, 2, 53, 64, 3);
  for (const CpuLevel level : cpu_levels()) {
    const std::vector<float> alone = c.run(&level);
    for (const int threads : {2, 8}) {
      ThreadPool pool(threads);
      EXPECT_EQ(c.run(&level, pool), alone) << level_name(level) << ", " << threads << " threads";
    }
  }
}

TEST(WidenRows, IsExact) {
  const std::uint16_t from[] = {0x3f80, 0xc040, 0x7f80, 0x0001, 0x4000, 0x3f00};
  float to[4];
  widen_rows(from, 3, 2, 2, to);
  EXPECT_EQ(to[0], 1.0F);
  EXPECT_EQ(to[1], -3.0F);
  EXPECT_EQ(to[2], 0x1p-133F);
  EXPECT_EQ(to[3], 2.0F);
}

}  // namespace
}  // namespace edgeclip::kernels
