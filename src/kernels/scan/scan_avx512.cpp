#include "kernels/scan/scan_task.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <utility>

#if !defined(__clang__)  // of the intrinsics' own undefined operands
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/simd/begin_avx512.h"

namespace edgeclip::kernels::avx512 {

namespace scan_inside {

#define EDGECLIP_SCAN_ISA "kernels/scan/isa_avx512.inl"
#include "kernels/scan/scan_parts.inl"
#undef EDGECLIP_SCAN_ISA

}  // namespace scan_inside

constinit const ScanForm kScan = scan_inside::form_of("avx512");

}  // namespace edgeclip::kernels::avx512

#include "kernels/simd/end.h"
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
