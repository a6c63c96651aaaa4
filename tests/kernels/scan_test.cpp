#include "kernels/scan/scan.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/float16.h"
#include "base/hash.h"
#include "kernels/scan/query_codes.h"
#include "kernels/thread_pool.h"

namespace edgeclip::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr ScanType kTypes[] = {ScanType::f32, ScanType::f16, ScanType::s8};

using Floats = std::vector<float>;
using Hits = std::vector<std::vector<ScanHit>>;

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

Floats normal(std::int64_t count, unsigned seed, float size = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, size);
  Floats x(size_of(count));
  for (float& v : x) v = draw(random);
  return x;
}

std::vector<std::uint64_t> random_mask(std::int64_t rows, double share, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution draw(share);
  std::vector<std::uint64_t> mask(size_of((rows + 63) / 64));
  for (std::int64_t r = 0; r < rows; ++r)
    if (draw(random)) mask[size_of(r / 64)] |= std::uint64_t{1} << (r % 64);
  return mask;
}

/// Rows at an odd address, as they may lie in a file.
struct Rows {
  std::vector<std::byte> bytes;
  Floats scale;
  std::vector<std::uint64_t> mask;
  ScanRows view;

  Rows(ScanType type, const Floats& values, std::int64_t dim, unsigned seed = 1) {
    const auto count = static_cast<std::int64_t>(values.size());
    bytes.resize(size_of(count * scan_bytes(type) + 1));
    std::byte* to = bytes.data() + 1;
    std::mt19937 random(seed);
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = values[size_of(i)];
      const std::uint16_t half = Half(value).bits;
      const auto integer = static_cast<std::int8_t>(std::isnan(value) ? 0 : std::clamp(40 * value, -128.0F, 127.0F));
      if (type == ScanType::f32) std::memcpy(to + 4 * i, &value, 4);
      if (type == ScanType::f16) std::memcpy(to + 2 * i, &half, 2);
      if (type == ScanType::s8) std::memcpy(to + i, &integer, 1);
    }
    view = {type, to, nullptr, count / dim, dim, nullptr, 0};
    for (std::int64_t r = 0; r < view.rows && type == ScanType::s8; ++r)
      scale.push_back(std::uniform_real_distribution<float>(0.5F, 2)(random) / 40);
    view.scale = scale.data();
  }
  Rows(const Rows&) = delete;
  void use_mask(std::vector<std::uint64_t> bits) {
    mask = std::move(bits);
    view.mask = mask.data();
  }
};

void expect_same(const Hits& got, const Hits& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t q = 0; q < got.size(); ++q) {
    ASSERT_EQ(got[q].size(), want[q].size()) << q;
    for (std::size_t i = 0; i < got[q].size(); ++i) {
      ASSERT_EQ(got[q][i].item, want[q][i].item) << q << ' ' << i;
      ASSERT_EQ(std::memcmp(&got[q][i].score, &want[q][i].score, sizeof(float)), 0)
          << q << ' ' << i << ' ' << got[q][i].score << ' ' << want[q][i].score;
    }
  }
}

struct ScanAt : ::testing::TestWithParam<CpuLevel> {
  Hits search(std::span<const ScanRows> rows, const ScanQueries& queries, const ScanOptions& options, int threads = 1) {
    if (threads == 1) return top_k(serial_executor(), rows, queries, options, GetParam());
    ThreadPool pool(threads);
    return top_k(pool, rows, queries, options, GetParam());
  }
  void expect_as_reference(std::span<const ScanRows> rows, const ScanQueries& queries, const ScanOptions& options,
                           int threads = 1) {
    expect_same(search(rows, queries, options, threads), reference_top_k(rows, queries, options));
  }
  void expect_as_reference(const Rows& rows, const Floats& queries, const ScanOptions& options, int threads = 1) {
    const std::int64_t dim = rows.view.dim;
    const ScanQueries asked{queries.data(), static_cast<std::int64_t>(queries.size()) / dim, dim};
    expect_same(search({&rows.view, 1}, asked, options, threads), reference_of({&rows}, asked, options));
  }
  /// The same for all levels and numbers of threads, and slow under sanitizers: computed once.
  static const Hits& reference_of(const std::vector<const Rows*>& parts, const ScanQueries& queries, const ScanOptions& options) {
    static std::map<std::string, Hits> known;
    Hasher key;
    std::vector<ScanRows> views;
    const auto add = [&](std::int64_t number) { key.add(&number, sizeof number); };
    for (const Rows* rows : parts) {
      const ScanRows& view = views.emplace_back(rows->view);
      for (const std::int64_t number : {static_cast<std::int64_t>(view.type), view.rows, view.dim, view.first, std::int64_t{view.mask != nullptr}}) add(number);
      key.add(rows->bytes.data(), rows->bytes.size());
      key.add(rows->scale.data(), rows->scale.size() * sizeof(float));
      if (view.mask != nullptr) key.add(rows->mask.data(), rows->mask.size() * sizeof(std::uint64_t));
    }
    for (const std::int64_t number : {queries.count, queries.dim, options.top}) add(number);
    key.add(&options.threshold, sizeof options.threshold);
    key.add(queries.data, size_of(queries.count * queries.dim) * sizeof(float));
    const auto [at, fresh] = known.try_emplace(key.result());
    if (fresh) at->second = reference_top_k(views, queries, options);
    return at->second;
  }
};

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

TEST_P(ScanAt, AGalleryOfSeveralParts) {
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

TEST_P(ScanAt, IntegerRowsAreSearchedExactly) {
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

TEST_P(ScanAt, RowsTooLongForIntegerSums) {
  const std::int64_t dim = kLongestCoded + 5, count = 9;
  const Rows rows(ScanType::s8, normal(count * dim, 2), dim);
  expect_as_reference(rows, normal(dim, 3), {.top = 3});
}

TEST_P(ScanAt, TheLongestIntegerRowsDoNotOverflow) {
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
TEST_P(ScanAt, RandomGalleries) {
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

TEST_P(ScanAt, ASearchCanBeStopped) {
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

TEST_P(ScanAt, SearchesAtOnceShareAPool) {
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
