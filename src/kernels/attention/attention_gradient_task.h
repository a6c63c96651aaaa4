#pragma once

#include "kernels/attention/attention_gradient.h"
#include "kernels/attention/attention_task.h"

/// Between attention_gradient.cpp and the forms of its inside, one per instruction set.
namespace edgeclip::kernels {

/// Work space of one head.
struct AttentionGradientScratch {
  AttentionScratch weights;  ///< k by k's rows and queries: P; its values are k again, rows side by side
  AttentionScratch slopes;   ///< v by v's rows and gradients: g vᵀ, then S; its values are not used
  float* query_rows;         ///< [queries side by side][Dh]
  float* gradient_rows;      ///< [queries side by side][Dh]

  static std::int64_t floats(const Attention& p) {
    return 2 * AttentionScratch::floats(p) + 2 * kMostQueries * p.size;
  }
  AttentionGradientScratch(const Attention& p, float* at)
      : weights(p, at),
        slopes(p, at + AttentionScratch::floats(p)),
        query_rows(at + 2 * AttentionScratch::floats(p)),
        gradient_rows(query_rows + kMostQueries * p.size) {}
};

/// Of head h of batch b.
using AttentionGradientForm = void (*)(const AttentionGradient&, std::int64_t b, std::int64_t h,
                                       const AttentionGradientScratch&);

namespace avx2 {
void attention_gradient_task(const AttentionGradient& problem, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& scratch);
}
namespace avx512 {
void attention_gradient_task(const AttentionGradient& problem, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& scratch);
}
namespace portable {
void attention_gradient_task(const AttentionGradient& problem, std::int64_t b, std::int64_t h,
                             const AttentionGradientScratch& scratch);
}

}  // namespace edgeclip::kernels
