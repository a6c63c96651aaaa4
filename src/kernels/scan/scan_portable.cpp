#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cstring>
#include <utility>

#include "base/float16.h"
#include "kernels/scan/scan_task.h"

/// For every CPU: NEON on aarch64.  Where a CPU has no fused multiply-add (x86-64 below AVX2), each is a call of
/// the C library: slow, and the same bits.
namespace edgeclip::kernels::portable {

namespace scan_inside {

#define EDGECLIP_SCAN_ISA "kernels/scan/isa_portable.inl"
#include "kernels/scan/scan_parts.inl"
#undef EDGECLIP_SCAN_ISA

}  // namespace scan_inside

constinit const ScanForm kScan = scan_inside::form_of("portable");

}  // namespace edgeclip::kernels::portable
