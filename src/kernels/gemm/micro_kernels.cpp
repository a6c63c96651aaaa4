#include "kernels/gemm/micro_kernels.h"

namespace edgeclip::kernels {

#if defined(__x86_64__)

namespace {
bool is_avx512(CpuLevel level) { return level >= CpuLevel::avx512 && level <= CpuLevel::amx; }
bool is_x86_simd(CpuLevel level) { return level >= CpuLevel::avx2 && level <= CpuLevel::amx; }
}  // namespace

const F32Kernels& f32_kernels(CpuLevel level) {
  return is_avx512(level) ? avx512::kF32 : is_x86_simd(level) ? avx2::kF32 : portable::kF32;
}

const S8Kernels& s8_kernels(CpuLevel level) {
  switch (level) {
    case CpuLevel::amx:
      return amx::kS8;
    case CpuLevel::avx512_bf16:
    case CpuLevel::avx512_vnni:
      return avx512_vnni::kS8;
    case CpuLevel::avx512:
      return avx512::kS8;
    case CpuLevel::avx_vnni:
      return avx_vnni::kS8;
    case CpuLevel::avx2:
      return avx2::kS8;
    default:
      return portable::kS8;
  }
}

const Bf16Kernels* bf16_kernels(CpuLevel level) {
  if (level == CpuLevel::amx) return &amx::kBf16;
  return level == CpuLevel::avx512_bf16 ? &avx512_bf16::kBf16 : nullptr;
}

const Epilogues& epilogues(CpuLevel level) {
  return is_avx512(level) ? avx512::kEpilogues : is_x86_simd(level) ? avx2::kEpilogues : portable::kEpilogues;
}

#else

const F32Kernels& f32_kernels(CpuLevel) { return portable::kF32; }
const S8Kernels& s8_kernels(CpuLevel) { return portable::kS8; }
const Bf16Kernels* bf16_kernels(CpuLevel) { return nullptr; }
const Epilogues& epilogues(CpuLevel) { return portable::kEpilogues; }

#endif

}  // namespace edgeclip::kernels
