#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/hash.h"
#include "kernels/scan/scan.h"
#include "kernels/thread_pool.h"

/// Rows and searches that tests of the scan make, and the fixture that compares a CPU level with the readable form.
namespace edgeclip::kernels {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr ScanType kTypes[] = {ScanType::f32, ScanType::f16, ScanType::s8};

using Floats = std::vector<float>;
using Hits = std::vector<std::vector<ScanHit>>;

inline std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

inline Floats normal(std::int64_t count, unsigned seed, float size = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, size);
  Floats x(size_of(count));
  for (float& v : x) v = draw(random);
  return x;
}

inline std::vector<std::uint64_t> random_mask(std::int64_t rows, double share, unsigned seed) {
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

inline void expect_same(const Hits& got, const Hits& want) {
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

}  // namespace edgeclip::kernels
