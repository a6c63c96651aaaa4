// Exact search beside what memory gives and what a product of matrices takes, in one run, interleaved, medians:
//   build/release/bin/bench_scan [ROWS [DIM [THREADS [LEVEL]]]]       1,000,000 x 512, all CPUs, the highest level
// OpenBLAS (libopenblas.so.0, if it is there) is loaded by name: unset OPENBLAS_CORETYPE, or it takes the kernels of that
// machine.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/threads.h"
#include "kernels/scan/scan.h"
#include "kernels/thread_pool.h"

namespace edgeclip::bench {
namespace {

using namespace kernels;

/// Uninitialized, at the beginning of a page, as a mapped file is.
template <class T>
std::unique_ptr<T[], decltype(&std::free)> pages(std::size_t count) {
  constexpr std::size_t kPage = 4096;
  void* at = std::aligned_alloc(kPage, (count * sizeof(T) + kPage - 1) / kPage * kPage);
  if (at == nullptr) throw std::bad_alloc();
  return {static_cast<T*>(at), &std::free};
}

struct Measurements {
  std::vector<std::string> order;
  std::map<std::string, std::vector<double>> seconds;

  void take(const std::string& name, const std::function<void()>& body) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    body();
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    if (!seconds.contains(name)) order.push_back(name);
    seconds[name].push_back(took);
  }
  double median(const std::string& name) {
    auto& all = seconds.at(name);
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  }
};

/// Reads all bytes and does as little as possible with them; `ahead`: prefetches so many bytes.
std::uint64_t read_all(Executor& executor, const std::byte* data, std::int64_t bytes, std::int64_t ahead) {
  constexpr std::int64_t kPart = std::int64_t{4} << 20;
  std::vector<std::uint64_t> sums(static_cast<std::size_t>((bytes + kPart - 1) / kPart));
  executor.run(static_cast<std::int64_t>(sums.size()), [&](std::int64_t i) {
    using Words = std::uint64_t __attribute__((vector_size(16)));
    const std::byte* at = data + i * kPart;
    const std::byte* end = at + std::min(kPart, bytes - i * kPart) / 128 * 128;
    Words a = {}, b = {}, c = {}, d = {}, e = {}, f = {}, g = {}, h = {};
    for (; at < end; at += 128) {
      const auto* words = reinterpret_cast<const Words*>(at);
      if (ahead > 0) {
        __builtin_prefetch(at + ahead, 0, 2);
        __builtin_prefetch(at + ahead + 64, 0, 2);
      }
      a ^= words[0], b ^= words[1], c ^= words[2], d ^= words[3];
      e ^= words[4], f ^= words[5], g ^= words[6], h ^= words[7];
    }
    const Words all = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
    sums[static_cast<std::size_t>(i)] = all[0] ^ all[1];
  });
  std::uint64_t sum = 0;
  for (const std::uint64_t s : sums) sum ^= s;
  return sum;
}

/// cblas_sgemm(order, a, b transposed, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);

struct Blas {
  Sgemm sgemm = nullptr;
  const char* kernels = "";
  explicit Blas(int threads) {
    void* library = ::dlopen("libopenblas.so.0", RTLD_NOW);
    if (library == nullptr) return;
    sgemm = reinterpret_cast<Sgemm>(::dlsym(library, "cblas_sgemm"));
    if (auto* set = reinterpret_cast<void (*)(int)>(::dlsym(library, "openblas_set_num_threads"))) set(threads);
    if (auto* core = reinterpret_cast<const char* (*)()>(::dlsym(library, "openblas_get_corename"))) kernels = core();
  }
};

void measure(std::int64_t rows, std::int64_t dim, int threads, CpuLevel level) {
  constexpr std::int64_t kQueries = 64, kRounds = 7;
  ThreadPool pool(threads);
  const auto count = static_cast<std::size_t>(rows * dim);
  std::vector<float> scales(static_cast<std::size_t>(rows)), queries(static_cast<std::size_t>(kQueries * dim));
  const auto floats = pages<float>(count);
  const auto halves = pages<std::uint16_t>(count);
  const auto bytes = pages<std::int8_t>(count);
  // Sums of uniform numbers: nearly normal, quickly drawn.
  const auto draw = [](std::uint64_t seed, float* to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::uint64_t x = (seed + static_cast<std::uint64_t>(i) + 1) * 0x9e3779b97f4a7c15U;
      x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
      x = (x ^ x >> 27) * 0x94d049bb133111ebU;
      x ^= x >> 31;
      to[i] = static_cast<float>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48)) * 0x1p-17F - 1;
    }
  };
  parallel_chunks(pool, rows, 1000, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = floats.get() + r * dim;
      draw(static_cast<std::uint64_t>(r * dim), row, dim);
      float largest = 0;
      for (std::int64_t d = 0; d < dim; ++d) largest = std::max(largest, std::abs(row[d]));
      scales[static_cast<std::size_t>(r)] = largest / 127;
      for (std::int64_t d = 0; d < dim; ++d) {
        halves[static_cast<std::size_t>(r * dim + d)] = Half(row[d]).bits;
        bytes[static_cast<std::size_t>(r * dim + d)] = static_cast<std::int8_t>(std::lrint(row[d] * 127 / largest));
      }
    }
  });
  draw(std::uint64_t{1} << 60, queries.data(), kQueries * dim);
  const ScanRows f32{ScanType::f32, floats.get(), nullptr, rows, dim},
      f16{ScanType::f16, halves.get(), nullptr, rows, dim}, s8{ScanType::s8, bytes.get(), scales.data(), rows, dim};
  const Blas blas(threads);
  std::vector<float> product(blas.sgemm == nullptr ? 0 : static_cast<std::size_t>(kQueries * rows));

  Measurements taken;
  std::uint64_t sum = 0;
  std::size_t hits = 0;
  const auto search = [&](const ScanRows& of, std::int64_t n) {
    hits += top_k(pool, {&of, 1}, {queries.data(), n, dim}, {.top = 10}, level).size();
  };
  for (int round = 0; round < kRounds; ++round) {
    const auto size = static_cast<std::int64_t>(count * sizeof(float));
    for (const std::int64_t ahead : {0, 1024, 8192})
      taken.take("read " + std::to_string(ahead),
                 [&] { sum ^= read_all(pool, reinterpret_cast<const std::byte*>(floats.get()), size, ahead); });
    for (const std::int64_t n : {std::int64_t{1}, kQueries}) {
      if (n > 1 && blas.sgemm != nullptr) {  // queries by rows, and rows by queries
        const int k = static_cast<int>(dim), some = static_cast<int>(n), all = static_cast<int>(rows);
        const auto product_of = [&](const float* a, int m, const float* b, int columns) {
          blas.sgemm(101, 111, 112, m, columns, k, 1, a, k, b, k, 0, product.data(), columns);
        };
        taken.take("sgemm QxR", [&] { product_of(queries.data(), some, floats.get(), all); });
        taken.take("sgemm RxQ", [&] { product_of(floats.get(), all, queries.data(), some); });
      }
      taken.take("f32 " + std::to_string(n), [&] { search(f32, n); });
      taken.take("f16 " + std::to_string(n), [&] { search(f16, n); });
      taken.take("s8 " + std::to_string(n), [&] { search(s8, n); });
    }
  }

  double read = 1e9, sgemm = 1e9;
  for (const std::string& name : taken.order) {
    if (name.starts_with("read")) read = std::min(read, taken.median(name));
    if (name.starts_with("sgemm")) sgemm = std::min(sgemm, taken.median(name));
  }
  const double bandwidth = static_cast<double>(count * sizeof(float)) / read;
  std::printf("%ld x %ld, %d threads, %s (%s, %s); OpenBLAS %s\n", static_cast<long>(rows), static_cast<long>(dim),
              threads, level_name(level).c_str(), scan_form(1, level).c_str(), scan_form(kQueries, level).c_str(),
              blas.sgemm == nullptr ? "is not there" : blas.kernels);
  std::printf("%-10s %9s %9s %12s %14s %10s\n", "", "ms", "GB/s", "of reading", "M rows/s", "of sgemm");
  for (const std::string& name : taken.order) {
    const double seconds = taken.median(name);
    const double element = name.starts_with("s8") ? 1 : name.starts_with("f16") ? 2 : 4;
    const double rate = element * static_cast<double>(count) / seconds;
    std::printf("%-10s %9.2f %9.2f %10.0f %% %14.1f", name.c_str(), 1e3 * seconds, 1e-9 * rate, 100 * rate / bandwidth,
                1e-6 * static_cast<double>(rows) / seconds);
    if (name.ends_with(" 64") && blas.sgemm != nullptr) std::printf(" %9.2fx", sgemm / seconds);
    std::printf("\n");
  }
  if (sum == 1 && hits == 1) std::printf("\n");  // both are used
}

}  // namespace
}  // namespace edgeclip::bench

int main(int argc, char** argv) {
  using namespace edgeclip;
  const auto number = [&](int i, long otherwise) { return argc > i ? std::atol(argv[i]) : otherwise; };
  kernels::CpuLevel level = kernels::cpu_level();
  for (const kernels::CpuLevel known : kernels::cpu_levels())
    if (argc > 4 && kernels::level_name(known) == argv[4]) level = known;
  bench::measure(number(1, 1000000), number(2, 512), static_cast<int>(number(3, available_cpus())), level);
}
