#pragma once

#include "kernels/attention/attention.h"

/// The gradient of attend(), which training asks for: the weights are computed again instead of being kept.
namespace edgeclip::kernels {

/// A problem, by the gradient of its result.
struct AttentionGradient {
  Attention of;              ///< its `y` and `otherwise` are not looked at
  HeadRows<const float> g;   ///< the gradient of y
  HeadRows<float> q, k, v;   ///< the gradients of q, k and v: written, overlap no operand and not each other
};

/// Work space of attention_gradient() on an executor of so many threads, in bytes.  Follows from sizes alone.
std::size_t attention_gradient_scratch_bytes(const Attention& problem, int threads);

/// With P = softmax(scale q kᵀ + mask), in float32, for each batch and head:
///   v' = Pᵀ g,   S = scale P ∘ (g vᵀ - rows(P ∘ g vᵀ)),   q' = S k,   k' = Sᵀ q
/// A head is a task, and its result does not depend on the number of threads.  scratch: of the bytes above,
/// 64-byte aligned; nothing is allocated.  A row without a softmax gives NaN.
/// Thread-safe, each call with its own scratch.
void attention_gradient(const AttentionGradient& problem, Executor& executor, std::byte* scratch,
                        CpuLevel level = cpu_level());

/// The readable form: sums in float64, any size, one thread.
void attention_gradient_reference(const AttentionGradient& problem);

}  // namespace edgeclip::kernels
