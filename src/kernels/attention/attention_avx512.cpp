#include "kernels/attention/attention_task.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if !defined(__clang__)  // of the intrinsics' own undefined operands
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/simd/begin_avx512.h"

namespace edgeclip::kernels::avx512 {

namespace attention_inside {

#include "kernels/attention/isa_avx512.inl"
#include "kernels/attention/attention_parts.inl"
// Behind its parts.
#include "kernels/attention/attention.inl"

}  // namespace attention_inside

void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch) {
  attention_inside::attend_rows(problem, task, scratch);
}

}  // namespace edgeclip::kernels::avx512

#include "kernels/simd/end.h"
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
