// Searches of whole galleries: of several parts, of rows in 8 bits, random ones, stopped ones, several at once.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <thread>

#include "kernels/scan/query_codes.h"
#include "kernels/scan_at.h"

namespace edgeclip::kernels {
namespace {

struct ScanGalleriesAt : ScanAt {};

TEST_P(ScanGalleriesAt, AGalleryOfSeveralParts) {
  const std::int64_t dim = 48;
  Rows a(ScanType::f32, normal(500 * dim, 2), dim), b(ScanType::s8, normal(700 * dim, 3), dim),
      c(ScanType::f16, normal(90 * dim, 4), dim), none(ScanType::f32, {}, dim);
  a.view.first = 5000;
  b.view.first = 100;
  b.use_mask(random_mask(700, 0.4, 8));
  c.view.first = 900;
  const ScanRows parts[] = {a.view, none.view, b.view, c.view};
  const Floats y = normal(7 * dim, 5);
  for (const int threads : {1, 2, 7}) expect_as_reference(parts, {y.data(), 7, dim}, {.top = 40}, threads);
}

TEST_P(ScanGalleriesAt, IntegerRowsAreSearchedExactly) {
  const std::int64_t dim = 130, count = 2000;
  std::mt19937 random(9);
  const Floats base = normal(dim, 10);
  // Rows that the codes of a query cannot tell apart: one row and a step at one place.
  Floats near(size_of(count * dim));
  for (std::int64_t i = 0; i < count * dim; ++i) near[size_of(i)] = base[size_of(i % dim)];
  for (std::int64_t r = 0; r < count; ++r) near[size_of(r * dim) + random() % size_of(dim)] += 0.03F;
  Floats extreme(size_of(count * dim));
  for (float& v : extreme) v = random() % 2 == 0 ? 4.0F : -4.0F;  // 127 and -128
  Floats queries = normal(6 * dim, 11);
  std::copy(base.begin(), base.end(), queries.begin());
  queries[size_of(dim)] = 1e4F;  // all others are less than a step
  for (std::int64_t d = 0; d < dim; ++d) queries[size_of(2 * dim + d)] = d % 2 == 0 ? 1 : -1;
  for (std::int64_t d = 0; d < dim; ++d) queries[size_of(3 * dim + d)] *= 1e-29F;
  for (std::int64_t d = 0; d < dim; ++d) queries[size_of(4 * dim + d)] *= 1e29F;
  for (const Floats& x : {near, extreme, normal(count * dim, 12)}) {
    Rows rows(ScanType::s8, x, dim);
    for (const std::int64_t top : {1, 10, 100}) expect_as_reference(rows, queries, {.top = top}, 2);
    std::fill(rows.scale.begin(), rows.scale.end(), 0.01F);
    for (const std::int64_t top : {1, 10, 100}) expect_as_reference(rows, queries, {.top = top}, 2);
  }
}

TEST_P(ScanGalleriesAt, RowsTooLongForIntegerSums) {
  const std::int64_t dim = kLongestCoded + 5, count = 9;
  const Rows rows(ScanType::s8, normal(count * dim, 2), dim);
  expect_as_reference(rows, normal(dim, 3), {.top = 3});
}

TEST_P(ScanGalleriesAt, TheLongestIntegerRowsDoNotOverflow) {
  const std::int64_t dim = kLongestCoded, count = 70;
  Floats x(size_of(count * dim), -4);  // -128
  for (std::int64_t d = 0; d < 7 * dim; ++d) x[size_of(d)] = d % 3 == 0 ? -4 : 4;
  const Rows rows(ScanType::s8, x, dim);
  Floats y(size_of(3 * dim), 1);
  std::fill_n(y.begin() + dim, dim, -1.0F);
  for (std::int64_t d = 0; d < dim; ++d) y[size_of(2 * dim + d)] = d % 3 == 0 ? -1 : 1;
  expect_as_reference(rows, y, {.top = 3});
}

/// Galleries, queries, masks and options of all kinds at once.
TEST_P(ScanGalleriesAt, RandomGalleries) {
  std::mt19937 random(17);
  const auto below = [&](int n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  const float odd[] = {kNan, kInfinity, -kInfinity, 0, 3e38F, 1e-44F, 1e20F, -1e-20F};
  ThreadPool pool(3);
  for (unsigned round = 0; round < 150; ++round) {
    const std::int64_t dim = 1 + below(round % 3 == 0 ? 20 : 150), count = below(10);
    Floats y = normal(count * dim, round, std::exp(static_cast<float>(below(40) - 20)));
    for (std::int64_t i = below(3); i > 0 && !y.empty(); --i) y[random() % y.size()] = odd[below(8)];
    std::vector<std::unique_ptr<Rows>> parts;
    std::vector<const Rows*> known;
    std::vector<ScanRows> gallery;
    std::int64_t first = 0;
    for (std::int64_t part = below(4); part >= 0; --part) {
      const std::int64_t rows = below(300);
      Floats x = normal(rows * dim, 1000 + round);
      if (below(2) == 0)
        for (float& v : x) v = std::round(v);  // ties
      for (std::int64_t i = below(5); i > 0 && !x.empty(); --i) x[random() % x.size()] = odd[below(8)];
      parts.push_back(std::make_unique<Rows>(kTypes[below(3)], x, dim, round));
      Rows& made = *parts.back();
      for (std::int64_t i = below(4); i > 0 && !made.scale.empty(); --i)
        made.scale[random() % made.scale.size()] = odd[below(8)];
      if (below(2) == 0) made.use_mask(random_mask(rows, static_cast<double>(below(11)) / 10, round));
      made.view.first = first;
      first += rows;
      gallery.push_back(made.view);
      known.push_back(&made);
    }
    ScanOptions options{.top = 1 + below(round % 4 == 0 ? 1000 : 12)};
    if (below(3) == 0) options.threshold = std::normal_distribution<float>(0, 3)(random);
    const ScanQueries queries{y.data(), count, dim};
    SCOPED_TRACE(round);
    expect_same(top_k(pool, gallery, queries, options, GetParam()), reference_of(known, queries, options));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST_P(ScanGalleriesAt, ASearchCanBeStopped) {
  const std::int64_t dim = 16, count = 20000;
  const Rows rows(ScanType::f32, normal(count * dim, 2), dim);
  const Floats y = normal(2 * dim, 3);
  for (const int threads : {1, 3}) {
    std::atomic<int> asked{0};
    const ScanOptions second{.top = 3, .stopped = [&] { return ++asked > 1; }};
    const Hits hits = search({&rows.view, 1}, {y.data(), 2, dim}, second, threads);
    EXPECT_EQ(hits, Hits(2));
    EXPECT_THROW(search({&rows.view, 1}, {y.data(), 2, dim},
                        {.top = 3, .stopped = []() -> bool { throw std::runtime_error("stop"); }}, threads),
                 std::runtime_error);
  }
}

TEST_P(ScanGalleriesAt, SearchesAtOnceShareAPool) {
  const std::int64_t dim = 32, count = 4000;
  const Rows rows(ScanType::s8, normal(count * dim, 2), dim);
  const Floats y = normal(8 * dim, 3);
  ThreadPool pool(2);
  std::vector<Hits> found(4);
  {
    std::vector<std::jthread> callers;
    for (Hits& hits : found)
      callers.emplace_back([&] {
        const ScanOptions five{.top = 5};
        for (int i = 0; i < 5; ++i) hits = top_k(pool, {&rows.view, 1}, {y.data(), 8, dim}, five, GetParam());
      });
  }
  for (const Hits& hits : found) expect_same(hits, reference_top_k({&rows.view, 1}, {y.data(), 8, dim}, {.top = 5}));
}

INSTANTIATE_TEST_SUITE_P(Levels, ScanGalleriesAt, ::testing::ValuesIn(cpu_levels()),
                         [](const auto& level) { return level_name(level.param); });

}  // namespace
}  // namespace edgeclip::kernels
