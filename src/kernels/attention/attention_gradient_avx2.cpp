#include "kernels/attention/attention_gradient_task.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/simd/begin_avx2.h"

namespace edgeclip::kernels::avx2 {

namespace attention_gradient_inside {

#include "kernels/attention/isa_avx2.inl"
#include "kernels/attention/attention_parts.inl"
// Behind its parts.
#include "kernels/attention/attention_gradient.inl"

}  // namespace attention_gradient_inside

void attention_gradient_task(const AttentionGradient& problem, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& scratch) {
  attention_gradient_inside::gradient_of_head(problem, b, h, scratch);
}

}  // namespace edgeclip::kernels::avx2

#include "kernels/simd/end.h"

#endif
