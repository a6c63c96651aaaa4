#include "engine/cpu/bf16_source.h"

#include "engine/cpu/cpu_node.h"
#include "kernels/gemm/gemm.h"

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

Bf16Source::Bf16Source(const BindRequest& request, std::size_t behind, std::int64_t elements)
    : scratch_(request.scratch),
      executor_(request.executor),
      offset_((behind + 63) / 64 * 64),
      elements_(elements) {
  scratch_.reserve(offset_ + static_cast<std::size_t>(elements) * sizeof(std::uint16_t));
}

const std::byte* Bf16Source::convert(const float* x) const {
  auto* y = reinterpret_cast<std::uint16_t*>(scratch_.data() + offset_);
  parallel_elements(executor_, elements_, [x, y](std::int64_t begin, std::int64_t end) {
    kernels::narrow_to_bf16(x + begin, end - begin, y + begin);
  });
  return reinterpret_cast<const std::byte*>(y);
}

}  // namespace edgeclip::engine
