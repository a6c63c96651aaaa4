#include <cstring>

#include "kernels/attention/attention_gradient_task.h"

/// Four lanes of the compiler's own vectors: SSE2 on x86-64, NEON on aarch64.
namespace edgeclip::kernels::portable {

namespace attention_gradient_inside {

#include "kernels/attention/isa_portable.inl"
#include "kernels/attention/attention_parts.inl"
// Behind its parts.
#include "kernels/attention/attention_gradient.inl"

}  // namespace attention_gradient_inside

void attention_gradient_task(const AttentionGradient& problem, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& scratch) {
  attention_gradient_inside::gradient_of_head(problem, b, h, scratch);
}

}  // namespace edgeclip::kernels::portable
