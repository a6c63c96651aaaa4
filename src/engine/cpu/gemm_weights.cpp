#include "engine/cpu/gemm_weights.h"

#include <algorithm>

#include "base/float16.h"
#include "base/mapped_file.h"

namespace edgeclip::engine {

template <class Pack>
GemmWeights::Packed GemmWeights::get(const TensorView& weights, Form form, const kernels::PackedLayout& layout,
                                     const Pack& pack) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = packed_.equal_range(weights.data);
  for (auto it = first; it != last; ++it)
    if (it->second.first == form) return it->second.second;
  Packed packed = cache_ ? cache_->find(weights.data, static_cast<std::uint32_t>(form), layout) : nullptr;
  if (!packed) {
    verify(weights);
    packed = std::make_shared<const kernels::PackedWeights>(pack());
  }
  packed_.emplace(weights.data, std::pair{form, packed});
  drop_mapped_pages(weights.data, weights.bytes());  // the copy is what is used from now on
  return packed;
}

bool GemmWeights::may_be_mapped(const TensorView& constant) const {
  if (!cache_) return false;
  const std::lock_guard lock(mutex_);
  return cache_->has(constant.data);
}

void GemmWeights::verify(const TensorView& constant) const {
  if (cache_ && constant.data != nullptr) cache_->source().verify(constant, "a packed constant");
}

void GemmWeights::keep() {
  if (!cache_) return;
  const std::lock_guard lock(mutex_);
  std::vector<PackedCache::Packed> all;
  for (const auto& [constant, packed] : packed_)
    all.push_back({constant, static_cast<std::uint32_t>(packed.first), packed.second});
  if (!cache_->keep(all)) return;
  std::size_t i = 0;
  for (auto& [constant, packed] : packed_) packed.second = all[i++].weights;
  ++generation_;
}

GemmWeights::Packed GemmWeights::of_floats(const TensorView& weights, kernels::Executor& executor) {
  const std::int64_t k = weights.shape[0], n = weights.shape[1];
  const kernels::CpuLevel level = kernels::cpu_level();
  const bool bf16 = weights.dtype == DType::bf16 && kernels::has_bf16_products(level);
  const kernels::PackedLayout layout = bf16 ? kernels::layout_bf16(k, n, level) : kernels::layout_f32(k, n, level);
  return get(weights, Form::floats, layout, [&] {
    if (bf16)
      return kernels::pack_bf16(reinterpret_cast<const std::uint16_t*>(weights.data), k, n, n, 1, level, executor);
    const Tensor wide = weights.dtype == DType::f32 ? Tensor() : widened(weights);
    const float* w = weights.dtype == DType::f32 ? weights.as<float>() : wide.data<float>();
    return kernels::pack_f32(w, k, n, n, 1, level, executor);
  });
}

GemmWeights::Packed GemmWeights::of_bytes(const TensorView& weights, bool signed_a, kernels::Executor& executor) {
  const std::int64_t k = weights.shape[0], n = weights.shape[1];
  const kernels::CpuLevel level = kernels::cpu_level();
  return get(weights, signed_a ? Form::by_s8 : Form::by_u8, kernels::layout_s8(k, n, signed_a, level), [&] {
    return kernels::pack_s8(weights.as<std::int8_t>(), k, n, signed_a, level, executor);
  });
}

GemmWeights::Packed GemmWeights::of_widened_bytes(const TensorView& weights, kernels::Executor& executor) {
  const std::int64_t k = weights.shape[0], n = weights.shape[1];
  const kernels::CpuLevel level = kernels::cpu_level();
  return get(weights, Form::widened, kernels::layout_f32(k, n, level), [&] {
    const auto* bytes = weights.as<std::int8_t>();
    const std::vector<float> wide(bytes, bytes + weights.elements());
    return kernels::pack_f32(wide.data(), k, n, n, 1, level, executor);
  });
}

std::size_t GemmWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const auto& [constant, packed] : packed_) bytes += packed.second->own_bytes();
  return bytes;
}

std::vector<float> padded_to_panels(const float* values, const kernels::PackedWeights& weights) {
  std::vector<float> padded(static_cast<std::size_t>(kernels::padded_columns(weights)), 0);
  std::copy_n(values, weights.n, padded.begin());
  return padded;
}

std::string gemm_name(const kernels::PackedWeights& weights) { return "gemm:" + kernels::product_name(weights); }

}  // namespace edgeclip::engine
