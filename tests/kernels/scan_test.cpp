#include "kernels/scan/scan.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "kernels/scan_at.h"

namespace edgeclip::kernels {
namespace {

TEST_P(ScanAt, EachScoreHasTheBitsOfTheReadableForm) {
  for (const ScanType type : kTypes)
    for (const std::int64_t dim : {1, 3, 15, 16, 17, 33, 64, 65, 127, 512, 513}) {
      const std::int64_t count = 70, queries = 9;
      const Rows rows(type, normal(count * dim, 2), dim);
      const Floats y = normal(queries * dim, 3);
      Floats scores(size_of(queries * count + 1), 99);
      score_rows(serial_executor(), rows.view, {y.data(), queries, dim}, scores.data(), GetParam());
      for (std::int64_t q = 0; q < queries; ++q)
        for (std::int64_t r = 0; r < count; ++r) {
          const float want = reference_score(rows.view, r, y.data() + q * dim), got = scores[size_of(q * count + r)];
          ASSERT_EQ(std::memcmp(&got, &want, sizeof got), 0)
              << static_cast<int>(type) << ' ' << dim << ' ' << q << ' ' << r << ": " << got << ' ' << want;
        }
      EXPECT_EQ(scores.back(), 99);
    }
}

TEST_P(ScanAt, AScoreIsCloseToTheSum) {
  const std::int64_t dim = 513;
  const Rows rows(ScanType::f32, normal(dim, 2), dim);
  const Floats y = normal(dim, 3);
  double sum = 0, size = 0;
  for (std::int64_t d = 0; d < dim; ++d) {
    float x;
    std::memcpy(&x, static_cast<const std::byte*>(rows.view.data) + 4 * d, 4);
    sum += static_cast<double>(x) * static_cast<double>(y[size_of(d)]);
    size += std::abs(static_cast<double>(x) * static_cast<double>(y[size_of(d)]));
  }
  float score;
  score_rows(serial_executor(), rows.view, {y.data(), 1, dim}, &score, GetParam());
  EXPECT_NEAR(static_cast<double>(score), sum, 40 * 0x1p-24 * size);
}

TEST_P(ScanAt, AQueryAloneAndAmongOthersGivesTheSameBits) {
  const std::int64_t dim = 100, count = 333, queries = 64;
  const Floats y = normal(queries * dim, 3);
  for (const ScanType type : kTypes) {
    Rows rows(type, normal(count * dim, 2), dim);
    Floats all(size_of(queries * count)), one(size_of(count));
    score_rows(serial_executor(), rows.view, {y.data(), queries, dim}, all.data(), GetParam());
    ThreadPool pool(3);
    for (std::int64_t q = 0; q < queries; ++q) {
      score_rows(pool, rows.view, {y.data() + q * dim, 1, dim}, one.data(), GetParam());
      ASSERT_EQ(std::memcmp(one.data(), all.data() + q * count, one.size() * sizeof(float)), 0) << q;
    }
    const Hits together = search({&rows.view, 1}, {y.data(), queries, dim}, {.top = 12});
    for (std::int64_t q = 0; q < queries; ++q) {
      const Hits alone = search({&rows.view, 1}, {y.data() + q * dim, 1, dim}, {.top = 12});
      expect_same(alone, {together[size_of(q)]});
    }
    // Nor does it matter which rows are beside.
    rows.use_mask(random_mask(count, 0.3, 5));
    Floats masked(size_of(queries * count));
    score_rows(serial_executor(), rows.view, {y.data(), queries, dim}, masked.data(), GetParam());
    for (std::int64_t i = 0; i < queries * count; ++i) {
      const std::int64_t r = i % count;
      const bool in = (rows.mask[size_of(r / 64)] >> (r % 64) & 1) != 0;
      ASSERT_EQ(masked[size_of(i)], in ? all[size_of(i)] : -kInfinity);
    }
  }
}

TEST_P(ScanAt, TheBestAreThoseOfTheReadableForm) {
  for (const ScanType type : kTypes)
    for (const std::int64_t dim : {1, 17, 512})
      for (const std::int64_t count : {0, 1, 63, 64, 65, 1000}) {
        const Rows rows(type, normal(count * dim, 2), dim);
        for (const std::int64_t queries : {0, 1, 2, 7, 13}) {
          const Floats y = normal(queries * dim, 3);
          expect_as_reference(rows, y, {.top = 5});
          expect_as_reference(rows, y, {.top = 2000, .threshold = 0.25F}, 2);
        }
      }
}

TEST_P(ScanAt, ThreadsDoNotShow) {
  for (const ScanType type : kTypes) {
    const std::int64_t dim = 33, count = 5000;
    const Rows rows(type, normal(count * dim, 2), dim);
    const Floats y = normal(11 * dim, 3);
    const ScanQueries queries{y.data(), 11, dim};
    const Hits alone = search({&rows.view, 1}, queries, {.top = 20}, 1);
    for (const int threads : {2, 7}) expect_same(search({&rows.view, 1}, queries, {.top = 20}, threads), alone);
    expect_same(alone, reference_top_k({&rows.view, 1}, queries, {.top = 20}));
  }
}

TEST_P(ScanAt, EqualScoresKeepTheOrderOfItems) {
  const std::int64_t dim = 4, count = 900;
  std::mt19937 random(5);
  Floats x(size_of(count * dim)), y(size_of(3 * dim));
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 3) - 1);  // 0 and -0 among the scores
  for (float& v : y) v = static_cast<float>(static_cast<int>(random() % 3) - 1);
  std::fill_n(y.begin(), dim, 0.0F);  // all are equal
  for (const ScanType type : kTypes) {
    Rows rows(type, x, dim);
    std::fill(rows.scale.begin(), rows.scale.end(), 0.025F);
    for (const int threads : {1, 2, 7}) {
      expect_as_reference(rows, y, {.top = 10}, threads);
      expect_as_reference(rows, y, {.top = 10, .threshold = 0}, threads);
    }
    ThreadPool pool(4);
    const ScanOptions ten{.top = 10};
    const Hits hits = top_k(pool, {&rows.view, 1}, {y.data(), 1, dim}, ten, GetParam());
    for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(hits[0][size_of(i)].item, i);
  }
}

TEST_P(ScanAt, NanIsNoResultAndInfinityIsANumber) {
  const std::int64_t dim = 19, count = 400;
  Floats x = normal(count * dim, 2);
  std::mt19937 random(6);
  const float odd[] = {kNan, kInfinity, -kInfinity, 3e38F, -3e38F, 1e-44F};
  for (int i = 0; i < 60; ++i) x[random() % x.size()] = odd[random() % 6];
  for (std::int64_t d = 0; d < dim; ++d) x[size_of(5 * dim + d)] = kNan;
  Floats y = normal(8 * dim, 3);
  y[size_of(dim)] = kNan;
  y[size_of(2 * dim + 3)] = kInfinity;
  y[size_of(3 * dim + 18)] = -kInfinity;
  for (std::int64_t d = 0; d < dim; ++d) {
    y[size_of(4 * dim + d)] *= 1e38F;
    y[size_of(5 * dim + d)] *= 1e-42F;
    y[size_of(6 * dim + d)] = 0;
  }
  for (const ScanType type : kTypes) {
    Rows rows(type, x, dim);
    if (type == ScanType::s8) {
      const float odd_scales[] = {kNan, kInfinity, -kInfinity, 0, -0.0F, -1, 1e38F, 1e-44F};
      for (std::size_t i = 0; i < rows.scale.size(); i += 3) rows.scale[i] = odd_scales[i / 3 % 8];
    }
    for (const std::int64_t top : {1, 30, 1000}) {
      expect_as_reference(rows, y, {.top = top}, 2);
      expect_as_reference(rows, y, {.top = top, .threshold = kInfinity});
      expect_as_reference(rows, y, {.top = top, .threshold = 1});
    }
    const Hits hits = search({&rows.view, 1}, {y.data(), 8, dim}, {.top = 1000});
    EXPECT_TRUE(hits[1].empty());  // of the query that is NaN
    for (const auto& list : hits)
      for (const ScanHit& hit : list) ASSERT_FALSE(std::isnan(hit.score));
  }
}

TEST_P(ScanAt, Masks) {
  const std::int64_t dim = 40, count = 3001;
  const Floats x = normal(count * dim, 2), y = normal(7 * dim, 3);
  for (const ScanType type : kTypes) {
    Rows rows(type, x, dim);
    for (const double share : {0.0, 0.001, 0.05, 0.5, 0.99, 1.0}) {
      rows.use_mask(random_mask(count, share, 7));
      for (const int threads : {1, 2, 7}) expect_as_reference(rows, y, {.top = 9}, threads);
    }
    rows.use_mask(std::vector<std::uint64_t>(size_of((count + 63) / 64), ~std::uint64_t{0}));  // bits behind the last row
    expect_as_reference(rows, y, {.top = 4000});
  }
}

TEST_P(ScanAt, ReadsNothingBehindRowsNorWhatIsMasked) {
  const auto page = ::sysconf(_SC_PAGESIZE);
  for (const ScanType type : kTypes)
    for (const std::int64_t dim : {1, 5, 17, 100, 513}) {
      // Two pages that can be read between some that cannot.
      const std::int64_t size = dim * scan_bytes(type), count = 2 * page / size;
      auto* pages = static_cast<std::byte*>(
          ::mmap(nullptr, size_of(4 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      ASSERT_NE(pages, MAP_FAILED);
      std::byte* first = pages + 3 * page - count * size;
      const Rows values(type, normal(count * dim, 2), dim);
      std::memcpy(first, values.view.data, size_of(count * size));
      ASSERT_EQ(::mprotect(pages + 3 * page, size_of(page), PROT_NONE), 0);
      const Floats y = normal(8 * dim, 3);
      ScanRows rows = values.view;
      rows.data = first;
      const auto expect_as_readable = [&](const ScanRows& some) {
        for (const std::int64_t queries : {1, 8})
          expect_as_reference({&some, 1}, {y.data(), queries, dim}, {.top = 5});
      };
      expect_as_readable(rows);
      // The first page away: rows that touch it are masked.
      ASSERT_EQ(::mprotect(pages, size_of(2 * page), PROT_NONE), 0);
      std::vector<std::uint64_t> mask(size_of((count + 63) / 64));
      for (std::int64_t r = 0; r < count; ++r)
        if (first + r * size >= pages + 2 * page) mask[size_of(r / 64)] |= std::uint64_t{1} << (r % 64);
      rows.mask = mask.data();
      expect_as_readable(rows);
      ::munmap(pages, size_of(4 * page));
    }
}

INSTANTIATE_TEST_SUITE_P(Levels, ScanAt, ::testing::ValuesIn(cpu_levels()),
                         [](const auto& level) { return level_name(level.param); });

TEST(Scan, EachLevelHasItsForm) {
  for (const std::int64_t queries : {1, 3}) {
    EXPECT_EQ(scan_form(queries, CpuLevel::scalar), "portable");
    EXPECT_EQ(scan_form(queries, CpuLevel::neon), "portable");
  }
#if defined(__x86_64__)
  EXPECT_EQ(scan_form(3, CpuLevel::avx2), "avx2");
  EXPECT_EQ(scan_form(3, CpuLevel::avx_vnni), "avx2");
  EXPECT_EQ(scan_form(3, CpuLevel::avx512), "avx512");
  EXPECT_EQ(scan_form(3, CpuLevel::avx512_vnni), "avx512_vnni");
  EXPECT_EQ(scan_form(3, CpuLevel::amx), "avx512_vnni");
  EXPECT_EQ(scan_form(1, CpuLevel::amx), "avx2");  // memory is waited for
#endif
}

}  // namespace
}  // namespace edgeclip::kernels
