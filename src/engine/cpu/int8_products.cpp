#include "engine/cpu/int8_products.h"

#include <algorithm>
#include <cmath>

namespace edgeclip::engine {

namespace {

/// a - zero_point as float32: exact.
template <class T>
void widen(kernels::Executor& executor, const T* a, std::int64_t n, float zero_point, float* out) {
  parallel_elements(executor, n, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<float>(a[i]) - zero_point;
  });
}

/// int8 + 128 as uint8.
void move_to_unsigned(kernels::Executor& executor, const std::uint8_t* a, std::int64_t n, std::uint8_t* out) {
  parallel_elements(executor, n, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = a[i] ^ 0x80U;
  });
}

}  // namespace

bool int8_products_saturate() {
#if defined(__x86_64__) || defined(__i386__)
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [isa](dnnl::cpu_isa level) {
    return (isa & static_cast<unsigned>(level)) == static_cast<unsigned>(level);
  };
  return !has(dnnl::cpu_isa::avx512_core_vnni) && !has(dnnl::cpu_isa::avx2_vnni);
#else
  return false;
#endif
}

bool has_seven_bits(const TensorView& weights) {
  const auto* w = weights.as<std::int8_t>();
  return std::all_of(w, w + weights.elements(), [](std::int8_t x) { return x >= -64 && x <= 64; });
}

Int8Path int8_path(const TensorView& weights, std::int64_t products, bool saturating) {
  if (products > kMostInt8Products) return Int8Path::widened;
  if (!saturating) return Int8Path::exact;
  return has_seven_bits(weights) ? Int8Path::shifted : Int8Path::widened;
}

Int8Source::Int8Source(Int8Path path, DType given, std::int32_t zero_point, std::int64_t elements,
                       const BindRequest& request)
    : given_(given),
      shifted_(path == Int8Path::shifted && given == DType::i8),
      type_(path == Int8Path::widened ? kF32
            : shifted_                ? dnnl::memory::data_type::u8
                                      : onednn_type(given)),
      zero_point_(shifted_ ? zero_point + 128 : zero_point),
      elements_(elements),
      scratch_(request.scratch),
      executor_(request.executor) {}

std::size_t Int8Source::reserve(std::size_t behind) {
  if (type_ != kF32 && !shifted_) return behind;
  offset_ = (behind + 63) / 64 * 64;
  const std::size_t end = offset_ + static_cast<std::size_t>(elements_) * (type_ == kF32 ? sizeof(float) : 1);
  scratch_.reserve(end);
  return end;
}

const std::byte* Int8Source::convert(const std::byte* given) const {
  if (type_ != kF32 && !shifted_) return given;
  std::byte* const to = scratch_.data() + offset_;
  const auto zero_point = static_cast<float>(zero_point_);
  if (shifted_)
    move_to_unsigned(executor_, reinterpret_cast<const std::uint8_t*>(given), elements_,
                     reinterpret_cast<std::uint8_t*>(to));
  else if (given_ == DType::u8)
    widen(executor_, reinterpret_cast<const std::uint8_t*>(given), elements_, zero_point,
          reinterpret_cast<float*>(to));
  else
    widen(executor_, reinterpret_cast<const std::int8_t*>(given), elements_, zero_point,
          reinterpret_cast<float*>(to));
  return to;
}

std::optional<ProductScales> product_scales(const PrepareRequest& request, std::size_t w_scale,
                                            std::size_t bias, std::int64_t count, float common) {
  const auto constant = [&](std::size_t i) -> const float* {
    if (!request.is_constant(i)) return nullptr;
    const TensorView& view = request.constants[i];
    return view.dtype == DType::f32 && view.elements() == count ? view.as<float>() : nullptr;
  };
  ProductScales result;
  const float* scales = constant(w_scale);
  if (!scales) return {};
  for (std::int64_t n = 0; n < count; ++n) {
    result.scales.push_back(common * scales[n]);
    if (!(result.scales.back() > 1e-30f) || !std::isfinite(result.scales.back())) return {};
  }
  if (!request.node.has_input(bias)) return result;
  const float* added = constant(bias);
  if (!added) return {};
  for (std::size_t n = 0; n < result.scales.size(); ++n) {
    result.bias.push_back(added[n] / result.scales[n]);
    if (!std::isfinite(result.bias.back())) return {};
  }
  return result;
}

}  // namespace edgeclip::engine
