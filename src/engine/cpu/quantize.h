#pragma once

#include <cstdint>

#include "base/tensor.h"
#include "engine/ops/output_quantization.h"
#include "kernels/executor.h"

namespace edgeclip::engine {

/// saturate(round(x / scale) + zero_point), halves to even, NaN as the zero point: QuantizeLinear's bits, on
/// all threads.  T: uint8 or int8, whose range the zero point is in.
template <class T>
void quantize_elements(kernels::Executor& executor, const float* x, std::int64_t count, float scale,
                       std::int32_t zero_point, T* y);

extern template void quantize_elements<std::uint8_t>(kernels::Executor&, const float*, std::int64_t, float,
                                                     std::int32_t, std::uint8_t*);
extern template void quantize_elements<std::int8_t>(kernels::Executor&, const float*, std::int64_t, float,
                                                    std::int32_t, std::int8_t*);

/// The same as the output of a product: store_output() of ops/output_quantization.h.
void quantize_elements(kernels::Executor& executor, const float* x, const OutputQuantization& how,
                       const OutputView& output);

}  // namespace edgeclip::engine
