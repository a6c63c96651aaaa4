#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "kernels/gemm/gemm.h"

namespace edgeclip::engine {

/// Constant weights packed for products of our own (kernels/gemm), once per session and form, at this machine's
/// level, on an executor's threads; the pages of a mapped file that they were made from are given back.  Thread-safe.
class GemmWeights {
 public:
  using Packed = std::shared_ptr<const kernels::PackedWeights>;

  /// W (K, N) float32 or of 16-bit floats, row-major, or stored as (N, K) where `transposed`.  bfloat16 is
  /// multiplied as such where the CPU can; all else as float32.  Throws std::bad_alloc.
  Packed of_floats(const TensorView& weights, bool transposed, kernels::Executor& executor);
  /// W (K, N) int8, row-major.  signed_a: the activations are int8.
  Packed of_bytes(const TensorView& weights, bool signed_a, kernels::Executor& executor);
  /// The same as float32, by activations widened to that.
  Packed of_widened_bytes(const TensorView& weights, kernels::Executor& executor);

  /// Of all that was packed so far.
  std::size_t bytes() const;

 private:
  enum class Form : std::uint8_t { floats, transposed, by_u8, by_s8, widened };
  template <class Pack>
  Packed get(const TensorView& weights, Form form, const Pack& pack);

  mutable std::mutex mutex_;
  std::unordered_multimap<const std::byte*, std::pair<Form, Packed>> packed_;
  std::size_t bytes_ = 0;
};

/// `values` and zeros up to whole panels: what products read of scales and biases.
std::vector<float> padded_to_panels(const float* values, const kernels::PackedWeights& weights);

/// What multiplies, for profiles: "gemm:f32:avx512".
std::string gemm_name(const kernels::PackedWeights& weights);

}  // namespace edgeclip::engine
