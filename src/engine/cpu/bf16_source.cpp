#include "engine/cpu/bf16_source.h"

#include <cstring>

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

bool bf16_products() {
#if defined(__x86_64__) || defined(__i386__)
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa()),
             level = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & level) == level;
#else
  return false;
#endif
}

Bf16Source::Bf16Source(Scratch& scratch, std::size_t behind, std::int64_t elements)
    : scratch_(scratch), offset_((behind + 63) / 64 * 64), elements_(elements) {
  scratch.reserve(offset_ + static_cast<std::size_t>(elements) * sizeof(std::uint16_t));
}

const std::byte* Bf16Source::convert(const float* x) const {
  auto* y = reinterpret_cast<std::uint16_t*>(scratch_.data() + offset_);
  // As BFloat16 does, in a form that vectorizes.
#pragma omp parallel for simd schedule(static) if (elements_ > kParallelElements)
  for (std::int64_t i = 0; i < elements_; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16, quiet = bits >> 16 | 0x40U;
    y[i] = static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
  }
  return reinterpret_cast<const std::byte*>(y);
}

}  // namespace edgeclip::engine
