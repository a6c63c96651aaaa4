// Products of our own by instruction set, one thread, as a share of what the registers could do:
//   build/edge/bin/bench_kernels [LEVEL]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "micro/register_peak.h"

namespace edgeclip::bench {
namespace {

using namespace kernels;

/// Seconds of the fastest of many calls.
template <class Body>
double best_seconds(const Body& body) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  const auto begin = Clock::now();
  for (int round = 0; round < 5 || Clock::now() - begin < std::chrono::milliseconds(150); ++round) {
    const auto start = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

/// GMAC/s and the share of the peak, or a dash.
void print(const char* name, double macs, double seconds, double peak) {
  std::printf("  %s %7.1f (%3.0f %%)", name, 1e-9 * macs / seconds, peak > 0 ? 100 * macs / seconds / peak : 0);
}

void measure(CpuLevel level, std::int64_t m, std::int64_t k, std::int64_t n) {
  const auto count = [](std::int64_t rows, std::int64_t columns) { return static_cast<std::size_t>(rows * columns); };
  const std::vector<float> a(count(m, k), 0.5F), w(count(k, n), 0.25F), scales(count(1, n + 64), 1.0F);
  const std::vector<std::uint8_t> a8(count(m, k + 64), 7);
  const std::vector<std::int8_t> w8(count(k, n), 3);
  const std::vector<std::uint16_t> a16(count(m, k + 64), 0x3f00), w16(count(k, n), 0x3e80);
  std::vector<float> out(count(m, n));
  Epilogue epilogue;
  epilogue.bias = scales.data();
  epilogue.out = out.data();
  epilogue.out_stride = n;
  const double macs = static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
  const RegisterPeaks peaks = register_peaks(level);
  std::printf("%-12s %4ld x %4ld x %4ld", level_name(level).c_str(), static_cast<long>(m), static_cast<long>(k),
              static_cast<long>(n));
  const PackedWeights floats = pack_f32(w.data(), k, n, n, 1, level);
  print("f32", macs, best_seconds([&] { gemm(serial_executor(), {a.data(), m, k}, floats, epilogue); }), peaks.f32);
  if (has_bf16_products(level)) {
    const PackedWeights packed = pack_bf16(w16.data(), k, n, n, 1, level);
    const GemmInput rows{a16.data(), m, row_elements(packed)};
    print("bf16", macs, best_seconds([&] { gemm(serial_executor(), rows, packed, epilogue); }), peaks.bf16);
  }
  epilogue.column_scale = scales.data();
  for (const bool signed_a : {false, true}) {
    const PackedWeights packed = pack_s8(w8.data(), k, n, signed_a, level);
    const GemmInput rows{a8.data(), m, row_elements(packed)};
    print(signed_a ? "s8" : "u8", macs, best_seconds([&] { gemm(serial_executor(), rows, packed, epilogue); }), peaks.s8);
  }
  std::printf("\n");
}

}  // namespace
}  // namespace edgeclip::bench

int main(int argc, char** argv) {
  using namespace edgeclip;
  for (const kernels::CpuLevel level : kernels::cpu_levels()) {
    if (argc > 1 && kernels::level_name(level) != argv[1]) continue;
    // ViT-B/32's image tower at batch 1 and 8, CLIP's text tower at 77 and 20 tokens.
    for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{50, 768, 2304}, {50, 768, 768}, {50, 768, 3072}, {50, 3072, 768},
                                  {400, 768, 3072}, {400, 3072, 768}, {77, 512, 2048}, {20, 512, 2048}, {20, 2048, 512}, {1, 768, 512}})
      bench::measure(level, m, k, n);
  }
}
