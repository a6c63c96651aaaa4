// Answers searches over a file of float32 rows, for compare.py to time beside others:
//   bench_search ROWS.f32 QUERIES.f32 DIM THREADS
// Reads lines "TYPE Q K" (f32, f16, s8), answers each by "SECONDS ITEM ITEM ...", K items of each of the first Q queries.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/mapped_file.h"
#include "kernels/scan/scan.h"
#include "kernels/thread_pool.h"

int main(int argc, char** argv) {
  using namespace edgeclip;
  using namespace edgeclip::kernels;
  if (argc != 5) return 2;
  const MappedFile file(argv[1]), query_file(argv[2]);
  const std::int64_t dim = std::atol(argv[3]), row_bytes = dim * static_cast<std::int64_t>(sizeof(float)),
                     rows = static_cast<std::int64_t>(file.size()) / row_bytes;
  const auto* values = reinterpret_cast<const float*>(file.data());
  ThreadPool pool(std::atoi(argv[4]));
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(rows * dim));
  std::vector<std::int8_t> bytes(halves.size());
  std::vector<float> scales(static_cast<std::size_t>(rows));
  parallel_chunks(pool, rows, 1000, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      float largest = 1e-30F;
      for (std::int64_t i = r * dim; i < (r + 1) * dim; ++i) largest = std::max(largest, std::abs(values[i]));
      scales[static_cast<std::size_t>(r)] = largest / 127;
      for (std::int64_t i = r * dim; i < (r + 1) * dim; ++i) {
        halves[static_cast<std::size_t>(i)] = Half(values[i]).bits;
        bytes[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(std::lrint(values[i] * 127 / largest));
      }
    }
  });
  std::cout << rows << std::endl;
  std::string type;
  for (std::int64_t queries = 0, top = 0; std::cin >> type >> queries >> top;) {
    const ScanRows gallery = type == "f16"  ? ScanRows{ScanType::f16, halves.data(), nullptr, rows, dim}
                             : type == "s8" ? ScanRows{ScanType::s8, bytes.data(), scales.data(), rows, dim}
                                            : ScanRows{ScanType::f32, values, nullptr, rows, dim};
    const auto start = std::chrono::steady_clock::now();
    const auto lists = top_k(pool, {&gallery, 1}, {reinterpret_cast<const float*>(query_file.data()), queries, dim},
                             {.top = top});
    std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const auto& list : lists)
      for (const ScanHit& hit : list) std::cout << ' ' << hit.item;
    std::cout << std::endl;
  }
}
