#include "kernels/cpu_features.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace edgeclip::kernels {

namespace {

constexpr std::array<std::pair<CpuLevel, const char*>, 9> kNames = {{{CpuLevel::scalar, "scalar"},
                                                                     {CpuLevel::avx2, "avx2"},
                                                                     {CpuLevel::avx_vnni, "avx_vnni"},
                                                                     {CpuLevel::avx512, "avx512"},
                                                                     {CpuLevel::avx512_vnni, "avx512_vnni"},
                                                                     {CpuLevel::avx512_bf16, "avx512_bf16"},
                                                                     {CpuLevel::amx, "amx"},
                                                                     {CpuLevel::neon, "neon"},
                                                                     {CpuLevel::neon_dotprod, "neon_dotprod"}}};

#if defined(__x86_64__)

struct Leaf {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf leaf(std::uint32_t number, std::uint32_t sub) {
  Leaf found;
  if (!__get_cpuid_count(number, sub, &found.eax, &found.ebx, &found.ecx, &found.edx)) return {};
  return found;
}

bool bit(std::uint32_t word, int index) { return (word >> index & 1) != 0; }

/// Which registers the system saves when it switches threads.
std::uint64_t saved_state() {
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

/// Linux gives a process the tiles' 8 KiB per thread only if asked to.
bool tiles_granted() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// Bits: Intel's Software Developer's Manual, volume 2, CPUID leaves 1 and 7.
std::vector<CpuLevel> detect() {
  std::vector<CpuLevel> levels = {CpuLevel::scalar};
  const Leaf one = leaf(1, 0), seven = leaf(7, 0), more = leaf(7, 1);
  constexpr int kOsxsave = 27, kFma = 12, kAvx = 28, kF16c = 29;
  if (!bit(one.ecx, kOsxsave) || !bit(one.ecx, kAvx)) return levels;
  constexpr std::uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  const std::uint64_t saved = saved_state();
  if ((saved & kYmm) != kYmm || !bit(one.ecx, kFma) || !bit(one.ecx, kF16c) || !bit(seven.ebx, 5)) return levels;
  levels.push_back(CpuLevel::avx2);
  if (bit(more.eax, 4)) levels.push_back(CpuLevel::avx_vnni);
  constexpr int kF = 16, kDq = 17, kBw = 30, kVl = 31;
  if ((saved & kZmm) != kZmm || !bit(seven.ebx, kF) || !bit(seven.ebx, kDq) || !bit(seven.ebx, kBw) ||
      !bit(seven.ebx, kVl))
    return levels;
  levels.push_back(CpuLevel::avx512);
  if (!bit(seven.ecx, 11)) return levels;
  levels.push_back(CpuLevel::avx512_vnni);
  if (!bit(more.eax, 5)) return levels;
  levels.push_back(CpuLevel::avx512_bf16);
  constexpr int kAmxBf16 = 22, kAmxTile = 24, kAmxInt8 = 25;
  if (bit(seven.edx, kAmxBf16) && bit(seven.edx, kAmxTile) && bit(seven.edx, kAmxInt8) &&
      (saved & kTiles) == kTiles && tiles_granted())
    levels.push_back(CpuLevel::amx);
  return levels;
}

#elif defined(__aarch64__)

std::vector<CpuLevel> detect() {
  std::vector<CpuLevel> levels = {CpuLevel::scalar, CpuLevel::neon};
  if ((::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) levels.push_back(CpuLevel::neon_dotprod);
  return levels;
}

#else

std::vector<CpuLevel> detect() { return {CpuLevel::scalar}; }

#endif

std::vector<CpuLevel> detect_allowed() {
  std::vector<CpuLevel> levels = detect();
  const char* most = std::getenv("EDGECLIP_CPU");
  if (most == nullptr || *most == 0) return levels;
  const auto named = std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return std::string(most) == n.second; });
  if (named == kNames.end()) {
    std::string known;
    for (const CpuLevel level : levels) known += " " + level_name(level);
    warn(fmt::format("EDGECLIP_CPU={} names no level of CPU features and is not followed; this machine has{}", most, known));
    return levels;
  }
  const CpuLevel cut = named->first;
  std::erase_if(levels, [&](CpuLevel l) { return l > cut; });
  // 8-bit products in registers of AVX2's width are no help to AVX-512's kernels.
  if (cut == CpuLevel::avx512) std::erase(levels, CpuLevel::avx_vnni);
  return levels;
}

}  // namespace

std::string level_name(CpuLevel level) {
  for (const auto& [known, name] : kNames)
    if (known == level) return name;
  return "unknown";
}

const std::vector<CpuLevel>& cpu_levels() {
  static const std::vector<CpuLevel> levels = detect_allowed();
  return levels;
}

CpuLevel cpu_level() { return cpu_levels().back(); }

bool cpu_has(CpuLevel level) {
  const auto& levels = cpu_levels();
  return std::find(levels.begin(), levels.end(), level) != levels.end();
}

}  // namespace edgeclip::kernels
