#include "micro/register_peak.h"

#include <algorithm>
#include <chrono>

namespace edgeclip::bench {

namespace {

using kernels::CpuLevel;

#if defined(__x86_64__)

/// Chains that do not wait for each other: more than the latency of a product times how many begin in a cycle.
#define CHAIN(op, reg, i) op " %%" reg "14, %%" reg "15, %%" reg #i "\n"
#define CHAINS(op, reg)                                                                                      \
  CHAIN(op, reg, 0) CHAIN(op, reg, 1) CHAIN(op, reg, 2) CHAIN(op, reg, 3) CHAIN(op, reg, 4) CHAIN(op, reg, 5) \
  CHAIN(op, reg, 6) CHAIN(op, reg, 7) CHAIN(op, reg, 8) CHAIN(op, reg, 9) CHAIN(op, reg, 10) CHAIN(op, reg, 11)
#define CLOBBERED                                                                                                  \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"
constexpr int kChains = 12;

void clear() {
  asm volatile(
      "vpxor %%xmm0,%%xmm0,%%xmm0\n vpxor %%xmm1,%%xmm1,%%xmm1\n vpxor %%xmm2,%%xmm2,%%xmm2\n"
      "vpxor %%xmm3,%%xmm3,%%xmm3\n vpxor %%xmm4,%%xmm4,%%xmm4\n vpxor %%xmm5,%%xmm5,%%xmm5\n"
      "vpxor %%xmm6,%%xmm6,%%xmm6\n vpxor %%xmm7,%%xmm7,%%xmm7\n vpxor %%xmm8,%%xmm8,%%xmm8\n"
      "vpxor %%xmm9,%%xmm9,%%xmm9\n vpxor %%xmm10,%%xmm10,%%xmm10\n vpxor %%xmm11,%%xmm11,%%xmm11\n"
      "vpxor %%xmm12,%%xmm12,%%xmm12\n vpxor %%xmm13,%%xmm13,%%xmm13\n vpxor %%xmm14,%%xmm14,%%xmm14\n"
      "vpxor %%xmm15,%%xmm15,%%xmm15" ::
          : CLOBBERED);
}

#define LOOP(name, op, reg)                                             \
  void name(std::int64_t n) {                                           \
    clear();                                                            \
    for (std::int64_t i = 0; i < n; ++i) asm volatile(CHAINS(op, reg)::: CLOBBERED); \
    asm volatile("vzeroupper" ::: CLOBBERED);                           \
  }
LOOP(f32_ymm, "vfmadd231ps", "ymm")
LOOP(f32_zmm, "vfmadd231ps", "zmm")
LOOP(s8_zmm, "vpdpbusd", "zmm")
LOOP(s8_ymm, "%{vex%} vpdpbusd", "ymm")
LOOP(bf16_zmm, "vdpbf16ps", "zmm")

/// The three instructions that four products in each lane take without VNNI.
template <bool kWide>
void s8_pairs(std::int64_t n) {
  clear();
  for (std::int64_t i = 0; i < n; ++i) {
#define PAIRS(reg, t, i)                                                                              \
  "vpmaddubsw %%" reg "14, %%" reg "15, %%" reg #t "\n vpmaddwd %%" reg "13, %%" reg #t ", %%" reg #t \
  "\n vpaddd %%" reg #t ", %%" reg #i ", %%" reg #i "\n"
    if constexpr (kWide)
      asm volatile(PAIRS("zmm", 6, 0) PAIRS("zmm", 7, 1) PAIRS("zmm", 8, 2) PAIRS("zmm", 9, 3) PAIRS("zmm", 10, 4)
                       PAIRS("zmm", 11, 5)::: CLOBBERED);
    else
      asm volatile(PAIRS("ymm", 6, 0) PAIRS("ymm", 7, 1) PAIRS("ymm", 8, 2) PAIRS("ymm", 9, 3) PAIRS("ymm", 10, 4)
                       PAIRS("ymm", 11, 5)::: CLOBBERED);
  }
  asm volatile("vzeroupper" ::: CLOBBERED);
}

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

template <bool kBf16>
void tiles(std::int64_t n) {
  const TileConfig config;
  asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (kBf16)
      asm volatile("tdpbf16ps %tmm6, %tmm4, %tmm0\n tdpbf16ps %tmm7, %tmm4, %tmm1\n"
                   "tdpbf16ps %tmm6, %tmm5, %tmm2\n tdpbf16ps %tmm7, %tmm5, %tmm3");
    else
      asm volatile("tdpbusd %tmm6, %tmm4, %tmm0\n tdpbusd %tmm7, %tmm4, %tmm1\n"
                   "tdpbusd %tmm6, %tmm5, %tmm2\n tdpbusd %tmm7, %tmm5, %tmm3");
  }
  asm volatile("tilerelease");
}

/// macs: of one turn.
double rate(void (*loop)(std::int64_t), double macs) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kTurns = 20000;
  double best = 1e9;
  for (int round = 0; round < 12; ++round) {
    const auto start = Clock::now();
    loop(kTurns);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return kTurns * macs / best;
}

#endif

}  // namespace

RegisterPeaks register_peaks(CpuLevel level) {
  RegisterPeaks peaks;
#if defined(__x86_64__)
  if (level >= CpuLevel::avx512 && level <= CpuLevel::amx) {
    peaks.f32 = rate(f32_zmm, kChains * 16);
    if (level >= CpuLevel::avx512_vnni)
      peaks.s8 = rate(s8_zmm, kChains * 64);
    else
      peaks.s8 = rate(s8_pairs<true>, 6 * 64);
    if (level >= CpuLevel::avx512_bf16) peaks.bf16 = rate(bf16_zmm, kChains * 32);
    if (level == CpuLevel::amx) {
      peaks.s8 = rate(tiles<false>, 4 * 16 * 16 * 64);
      peaks.bf16 = rate(tiles<true>, 4 * 16 * 16 * 32);
    }
  } else if (level >= CpuLevel::avx2 && level <= CpuLevel::avx_vnni) {
    peaks.f32 = rate(f32_ymm, kChains * 8);
    if (level == CpuLevel::avx_vnni)
      peaks.s8 = rate(s8_ymm, kChains * 32);
    else
      peaks.s8 = rate(s8_pairs<false>, 6 * 32);
  }
#endif
  return peaks;
}

}  // namespace edgeclip::bench
