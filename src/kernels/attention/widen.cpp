#include "kernels/attention/widen.h"

#include <bit>

namespace edgeclip::kernels {

void widen_rows(const std::uint16_t* from, std::int64_t step, std::int64_t rows, std::int64_t size, float* to) {
  for (std::int64_t t = 0; t < rows; ++t, from += step, to += size)
    for (std::int64_t d = 0; d < size; ++d)
      to[d] = std::bit_cast<float>(static_cast<std::uint32_t>(from[d]) << 16);
}

}  // namespace edgeclip::kernels
