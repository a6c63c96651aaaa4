#pragma once

#include <cstdint>

namespace edgeclip::kernels {

/// Rows of bfloat16 patterns as float32, side by side: to[t * size + d] = from[t * step + d].
void widen_rows(const std::uint16_t* from, std::int64_t step, std::int64_t rows, std::int64_t size, float* to);

}  // namespace edgeclip::kernels
