#pragma once

#include <string>
#include <vector>

namespace edgeclip::kernels {

/// The forms that kernels are compiled in.  On one kind of CPU each includes those before it; avx_vnni is AVX2
/// with the 8-bit products of AVX-VNNI, and no part of the AVX-512 levels.
enum class CpuLevel : int {
  scalar,
  avx2,         ///< with FMA and F16C
  avx_vnni,     ///< AVX2's width
  avx512,       ///< F, BW, DQ, VL
  avx512_vnni,  ///< 8-bit products
  avx512_bf16,  ///< bfloat16 products, and the above
  amx,          ///< tiles of 8-bit and bfloat16 products, and the above
  neon,         ///< aarch64
  neon_dotprod
};

/// "avx512_vnni"
std::string level_name(CpuLevel level);

/// What this machine and its system can run, lowest first, `scalar` always: found by CPUID and XGETBV, and
/// for AMX by asking the system for the tiles' state.  Cut at the level named by the environment variable
/// EDGECLIP_CPU where that is set (to measure or to test what a lesser machine would do); an unknown name
/// is ignored.
const std::vector<CpuLevel>& cpu_levels();

/// The highest of cpu_levels().
CpuLevel cpu_level();

/// Whether it is one of cpu_levels().
bool cpu_has(CpuLevel level);

}  // namespace edgeclip::kernels
