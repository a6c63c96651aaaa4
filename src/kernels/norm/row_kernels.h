#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cpu_features.h"
#include "kernels/executor.h"

/// Work on rows by themselves: LayerNormalization over the last axis, quantization with a scale for each row,
/// and both in one pass.  Rows are dense, one behind the other.  A row's result depends on nothing but the row
/// and the CPU level: not on other rows, nor on how rows are divided among threads.
namespace edgeclip::kernels {

/// A row's scale from the largest magnitude in it: largest / 127, 1 for a row of zeros or one so small that
/// the quotient vanishes.
inline float scale_of_row(float largest) {
  const float scale = largest / 127.0F;
  return scale == 0 ? 1.0F : scale;
}

/// Of a row whose values, and zero, lie from low to high: (high - low) / 255, 1 where that vanishes.  Finite for all
/// finite numbers.
inline float affine_scale(float low, float high) {
  const float scale = high / 255.0F - low / 255.0F;
  return scale == 0 ? 1.0F : scale;
}
/// Of the same row: within 0..255.
inline std::int32_t affine_zero_point(float low, float scale) {
  return std::clamp(static_cast<std::int32_t>(std::nearbyint(-low / scale)), 0, 255);
}

/// LayerNormalization of rows of float32, the results as float32, as int8 with a scale per row, or as both.
///   v = (x - mean) / sqrt(variance + epsilon) * scale + shift        mean and variance in two passes
///   y = v;  q = round(v / q_scale), halves to even;  q_scale = scale_of_row(max |v|)
/// A row whose v holds an infinity or a NaN has that as its q_scale (NaN above infinity) and zeros as its
/// numbers but for NaN and infinities, which are 0 too.
struct NormalizedRows {
  const float* x = nullptr;      ///< (rows, width)
  std::int64_t rows = 0, width = 0;
  const float* scale = nullptr;  ///< (width)
  const float* shift = nullptr;  ///< (width), or null: 0
  float epsilon = 1e-5F;
  float* y = nullptr;            ///< (rows, width), may be x; or null
  std::int8_t* q = nullptr;      ///< (rows, width), or null
  float* q_scale = nullptr;      ///< (rows), or null
};

/// q and q_scale of rows of float32 as they are.
struct QuantizedRows {
  const float* x = nullptr;  ///< (rows, width)
  std::int64_t rows = 0, width = 0;
  std::int8_t* q = nullptr;  ///< (rows, width), or null
  float* q_scale = nullptr;  ///< (rows), or null
};

/// Rows of float32 as uint8 with a scale and a zero point for each row, for values that lie to one side of zero (what
/// follows a GELU), of which a symmetric range would leave a bit unused:
///   low = min(0, min_k x[k]);  high = max(0, max_k x[k]);  scale = affine_scale(low, high)
///   zero = round(-low / scale);  q[k] = saturate(round(x[k] / scale) + zero), halves to even
/// A row that holds an infinity or a NaN has that as its q_scale (NaN above infinity) and zeros as its numbers and zero point.
struct AffineRows {
  const float* x = nullptr;  ///< (rows, width)
  std::int64_t rows = 0, width = 0;
  std::uint8_t* q = nullptr;       ///< (rows, width), or null
  float* q_scale = nullptr;        ///< (rows), or null
  std::int32_t* q_zero = nullptr;  ///< (rows), or null
};

/// The forms of one CPU level, in the calling thread.
struct RowKernels {
  const char* name;  ///< "avx512"
  void (*normalize)(const NormalizedRows&);
  void (*quantize)(const QuantizedRows&);
  void (*quantize_affine)(const AffineRows&);
  /// saturate(round(x / scale) + zero_point), halves to even, NaN as the zero point.  scale > 0 and finite; the
  /// zero point is in the type's range.
  void (*quantize_u8)(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::uint8_t* y);
  void (*quantize_i8)(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::int8_t* y);
};

/// The fastest form that needs no more than this level.  CpuLevel::scalar gives the readable one, which is the
/// oracle: its sums are float64.  Quantized values are the same to the bit at every level, for the same floats.
const RowKernels& row_kernels(CpuLevel level = cpu_level());

/// By the machine's kernels, rows divided among the executor's threads.
void normalize_rows(const NormalizedRows& work, Executor& executor);
void quantize_rows(const QuantizedRows& work, Executor& executor);
void quantize_rows(const AffineRows& work, Executor& executor);
void quantize_linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::uint8_t* y,
                     Executor& executor);
void quantize_linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::int8_t* y,
                     Executor& executor);

namespace scalar {
extern const RowKernels row_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const RowKernels row_kernels;
}
namespace avx512 {
extern const RowKernels row_kernels;
}
#endif

}  // namespace edgeclip::kernels
