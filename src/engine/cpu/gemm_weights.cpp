#include "engine/cpu/gemm_weights.h"

#include <algorithm>

#include "base/float16.h"
#include "base/mapped_file.h"

namespace edgeclip::engine {

template <class Pack>
GemmWeights::Packed GemmWeights::get(const TensorView& weights, Form form, const Pack& pack) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = packed_.equal_range(weights.data);
  for (auto it = first; it != last; ++it)
    if (it->second.first == form) return it->second.second;
  auto packed = std::make_shared<const kernels::PackedWeights>(pack());
  packed_.emplace(weights.data, std::pair{form, packed});
  bytes_ += packed->bytes();
  drop_mapped_pages(weights.data, weights.bytes());  // the copy is what is used from now on
  return packed;
}

GemmWeights::Packed GemmWeights::of_floats(const TensorView& weights, bool transposed,
                                           kernels::Executor& executor) {
  const std::int64_t rows = weights.shape[0], columns = weights.shape[1], k = transposed ? columns : rows,
                     n = transposed ? rows : columns, row_stride = transposed ? 1 : columns,
                     column_stride = transposed ? columns : 1;
  const kernels::CpuLevel level = kernels::cpu_level();
  return get(weights, transposed ? Form::transposed : Form::floats, [&] {
    if (weights.dtype == DType::bf16 && kernels::has_bf16_products(level))
      return kernels::pack_bf16(reinterpret_cast<const std::uint16_t*>(weights.data), k, n, row_stride, column_stride,
                                level, executor);
    const Tensor wide = weights.dtype == DType::f32 ? Tensor() : widened(weights);
    const float* w = weights.dtype == DType::f32 ? weights.as<float>() : wide.data<float>();
    return kernels::pack_f32(w, k, n, row_stride, column_stride, level, executor);
  });
}

GemmWeights::Packed GemmWeights::of_bytes(const TensorView& weights, bool signed_a, kernels::Executor& executor) {
  return get(weights, signed_a ? Form::by_s8 : Form::by_u8, [&] {
    return kernels::pack_s8(weights.as<std::int8_t>(), weights.shape[0], weights.shape[1], signed_a,
                            kernels::cpu_level(), executor);
  });
}

GemmWeights::Packed GemmWeights::of_widened_bytes(const TensorView& weights, kernels::Executor& executor) {
  return get(weights, Form::widened, [&] {
    const auto* bytes = weights.as<std::int8_t>();
    const std::vector<float> wide(bytes, bytes + weights.elements());
    return kernels::pack_f32(wide.data(), weights.shape[0], weights.shape[1], weights.shape[1], 1, kernels::cpu_level(),
                             executor);
  });
}

std::size_t GemmWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<float> padded_to_panels(const float* values, const kernels::PackedWeights& weights) {
  std::vector<float> padded(static_cast<std::size_t>(kernels::padded_columns(weights)), 0);
  std::copy_n(values, weights.n, padded.begin());
  return padded;
}

std::string gemm_name(const kernels::PackedWeights& weights) { return "gemm:" + kernels::product_name(weights); }

}  // namespace edgeclip::engine
