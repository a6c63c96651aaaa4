#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/cpu_features.h"
#include "kernels/executor.h"

/// Scaled dot-product attention as one kernel (Vaswani et al. 2017, eq. 1), for each batch and head:
///   y = softmax(scale q kᵀ + mask) v
/// exact: all keys of a row meet in one softmax, computed in float32.
namespace edgeclip::kernels {

/// An operand by (batch, position, head): its elements d of one head, `data[b * batch + t * row + h * head + d]`,
/// lie side by side.  So it may be a part of a fused (B, T, 3 H Dh) matrix, or (B, T, H, Dh), or (B, H, T, Dh).
/// Steps in elements.
template <class T>
struct HeadRows {
  T* data = nullptr;
  std::int64_t batch = 0, row = 0, head = 0;

  T* at(std::int64_t b, std::int64_t t, std::int64_t h) const { return data + b * batch + t * row + h * head; }
};

/// What is added to the scores, `data[b * batch + h * head + i * query + j * key]` for query i and key j; a step
/// of 0 where it is the same for all; data null: nothing.  -inf hides a key.  `key` is 0 or 1.
struct AttentionMask {
  const float* data = nullptr;
  std::int64_t batch = 0, head = 0, query = 0, key = 0;
};

/// In what the two products are computed; the softmax is float32 always.
enum class AttentionCompute : std::uint8_t { f32 };

/// A problem.  y overlaps no operand.
struct Attention {
  std::int64_t batch = 0, heads = 0;
  std::int64_t queries = 0, keys = 0;  ///< Tq and Tk; keys at least 1
  std::int64_t size = 0;               ///< Dh: a multiple of 16
  HeadRows<const float> q, k, v;
  HeadRows<float> y;
  float scale = 1;
  AttentionMask mask;
  /// Hides key j from query i where j > i.
  bool causal = false;
  /// A row without a softmax (all keys hidden, or a NaN or an infinity among its scores) gives zeros if safe,
  /// else NaN.
  bool safe = false;
  AttentionCompute compute = AttentionCompute::f32;
};

/// Whether the fast kernels take heads of this size.
inline bool attention_takes(std::int64_t size) { return size > 0 && size % 16 == 0; }

/// Work space of attend() on an executor of so many threads, in bytes.  Follows from sizes, not from pointers
/// or steps.
std::size_t attention_scratch_bytes(const Attention& problem, int threads);

/// y of all batches and heads.  Parts of a head (some of its query rows) are the tasks, without a barrier
/// between them.  scratch: attention_scratch_bytes(problem, executor.threads()), 64-byte aligned; nothing is
/// allocated.  Each row of y is the same to the bit whatever the number of threads, and whatever the other
/// rows of the batch are; it does depend on the level.  What NaN or infinity the values of a hidden key hold
/// may, or may not, show in y.
/// Thread-safe, each call with its own scratch.
void attend(const Attention& problem, Executor& executor, std::byte* scratch, CpuLevel level = cpu_level());

/// "avx512", "avx2", "portable": the form that attend() takes at a level.
std::string attention_form(CpuLevel level = cpu_level());

/// The readable form: sums in float64, any size, one thread.
void attend_reference(const Attention& problem);

}  // namespace edgeclip::kernels
