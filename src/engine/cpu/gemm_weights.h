#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/packed_cache.h"
#include "kernels/gemm/gemm.h"

namespace edgeclip::engine {

/// Constant weights packed for products of our own (kernels/gemm), once per session and form, at this machine's
/// level, on an executor's threads; the pages of a mapped file that they were made from are given back.  With a
/// cache, those that it has are mapped instead of packed.  Thread-safe.
class GemmWeights {
 public:
  using Packed = std::shared_ptr<const kernels::PackedWeights>;

  GemmWeights() = default;
  /// cache: none for none.
  explicit GemmWeights(std::unique_ptr<PackedCache> cache) : cache_(std::move(cache)) {}

  /// Whether a constant's own bytes may not be needed, since a packed form of it is in the cache.  Who goes by that
  /// and does not verify the constant has whoever reads its bytes call verify() first; packing does.
  bool may_be_mapped(const TensorView& constant) const;
  /// As ConstantSource::verify(), of a constant that may_be_mapped() kept from being verified; else nothing.
  void verify(const TensorView& constant) const;
  /// As Backend::keep_packed() and packed_generation().
  void keep();
  std::uint64_t generation() const { return generation_; }

  /// W (K, N) float32 or of 16-bit floats, row-major.  bfloat16 is multiplied as such where the CPU can; all else as
  /// float32.  Throws std::bad_alloc.
  Packed of_floats(const TensorView& weights, kernels::Executor& executor);
  /// W (K, N) int8, row-major.  signed_a: the activations are int8.
  Packed of_bytes(const TensorView& weights, bool signed_a, kernels::Executor& executor);
  /// The same as float32, by activations widened to that.
  Packed of_widened_bytes(const TensorView& weights, kernels::Executor& executor);

  /// Of all that was packed so far, in memory of this process's own.
  std::size_t bytes() const;

 private:
  /// Numbers are those in files.
  enum class Form : std::uint8_t { floats, by_u8, by_s8, widened };
  template <class Pack>
  Packed get(const TensorView& weights, Form form, const kernels::PackedLayout& layout, const Pack& pack);

  mutable std::mutex mutex_;
  std::unordered_multimap<const std::byte*, std::pair<Form, Packed>> packed_;
  const std::unique_ptr<PackedCache> cache_;
  std::atomic<std::uint64_t> generation_{0};
};

/// `values` and zeros up to whole panels: what products read of scales and biases.
std::vector<float> padded_to_panels(const float* values, const kernels::PackedWeights& weights);

/// What multiplies, for profiles: "gemm:f32:avx512".
std::string gemm_name(const kernels::PackedWeights& weights);

}  // namespace edgeclip::engine
