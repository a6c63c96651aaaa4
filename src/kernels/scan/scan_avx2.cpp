#include "kernels/scan/scan_task.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <utility>

#include "kernels/simd/begin_avx2.h"

namespace edgeclip::kernels::avx2 {

namespace scan_inside {

#define EDGECLIP_SCAN_ISA "kernels/scan/isa_avx2.inl"
#include "kernels/scan/scan_parts.inl"
#undef EDGECLIP_SCAN_ISA

}  // namespace scan_inside

constinit const ScanForm kScan = scan_inside::form_of("avx2");

}  // namespace edgeclip::kernels::avx2

#include "kernels/simd/end.h"

#endif
