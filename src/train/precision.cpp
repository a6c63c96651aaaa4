#include "train/precision.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"
#include "base/log.h"

namespace edgeclip {

bool cpu_has_bf16() {
#if defined(__x86_64__)
  // The OS must save the 512-bit registers, which this asks for too; then CPUID leaf 7: sub-leaf 1 EAX bit 5
  // is AVX512_BF16, sub-leaf 0 EDX bit 22 is AMX-BF16.
  if (!__builtin_cpu_supports("avx512f")) return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1)) return true;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
#else
  return false;
#endif
}

bool use_bf16(const std::string& precision, bool on_cpu) {
  if (precision == "fp32") return false;
  if (precision == "auto") return on_cpu && cpu_has_bf16();
  EDGECLIP_CHECK(precision == "bf16", "precision {}", precision);
  if (on_cpu && !cpu_has_bf16())
    spdlog::warn("precision bf16: this CPU has no bf16 instructions, so training will be slower than fp32");
  return true;
}

std::string describe_auto_precision(bool on_cpu) {
  if (!on_cpu) return "precision: fp32 on a GPU; --precision bf16 for less time";
  return cpu_has_bf16() ? "precision: bf16, for which this CPU has instructions"
                        : "precision: fp32, as this CPU has no bf16 instructions and would only emulate it";
}

}  // namespace edgeclip
