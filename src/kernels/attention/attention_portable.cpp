#include <cstring>

#include "kernels/attention/attention_task.h"

/// Four lanes of the compiler's own vectors: SSE2 on x86-64, NEON on aarch64.
namespace edgeclip::kernels::portable {

namespace attention_inside {

#include "kernels/attention/isa_portable.inl"
#include "kernels/attention/attention_parts.inl"
// Behind its parts.
#include "kernels/attention/attention.inl"

}  // namespace attention_inside

void attention_task(const Attention& problem, const AttentionTask& task, const AttentionScratch& scratch) {
  attention_inside::attend_rows(problem, task, scratch);
}

}  // namespace edgeclip::kernels::portable
