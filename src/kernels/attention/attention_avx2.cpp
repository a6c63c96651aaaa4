#include "kernels/attention/attention_task.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/begin_avx2.h"

namespace edgeclip::kernels::avx2 {

namespace attention_inside {

#include "kernels/attention/isa_avx2.inl"
#include "kernels/attention/attention_parts.inl"
// Behind its parts.
#include "kernels/attention/attention.inl"

}  // namespace attention_inside

void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch) {
  attention_inside::attend_rows(problem, task, scratch);
}

}  // namespace edgeclip::kernels::avx2

#include "kernels/simd/end.h"

#endif
