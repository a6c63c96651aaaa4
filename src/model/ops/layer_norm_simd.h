#pragma once

#include <cstdint>

/// The passes of layer_norm.h over memory, for the best instruction set of the machine; without LibTorch.
/// Rows are dense, one behind the other; a row's results depend on that row alone.  bfloat16 goes as its
/// bits, is computed in float32 and rounded once.
namespace edgeclip::layer_norm_simd {

/// Elements that are float32 or bfloat16, or none: one of the two pointers at most is set.
struct Elements {
  float* f32 = nullptr;
  std::uint16_t* bf16 = nullptr;
};

struct Forward {
  const float* x = nullptr;  ///< (rows, width)
  Elements branch;           ///< (rows, width), added to x; or none
  float* sum = nullptr;      ///< (rows, width): x + branch.  Null without a branch; may be x
  const float* weight = nullptr;
  const float* bias = nullptr;  ///< (width) each
  float eps = 1e-5F;
  Elements y;                                 ///< (rows, width): (sum - mean) * inverse * weight + bias
  float *mean = nullptr, *inverse = nullptr;  ///< (rows) each, or null; inverse = 1 / sqrt(variance + eps)
};

struct Backward {
  const float* sum = nullptr;  ///< (rows, width), what was normalized
  const float* weight = nullptr;
  const float *mean = nullptr, *inverse = nullptr;  ///< as forward left them
  Elements g_y;                                     ///< (rows, width), read alone
  const float* g_sum = nullptr;                  ///< (rows, width): what else comes back to the sum; or null
  float* g_x = nullptr;                          ///< (rows, width); may be g_sum
  std::uint16_t* g_branch = nullptr;             ///< (rows, width): g_x rounded; or null
  float *g_weight = nullptr, *g_bias = nullptr;  ///< (width), added to; both or neither
};

/// Rows [begin, end).
void forward(const Forward& work, std::int64_t width, std::int64_t begin, std::int64_t end);
void backward(const Backward& work, std::int64_t width, std::int64_t begin, std::int64_t end);

/// sum[i] = x[i] + branch[i], i < n.  sum may be x.
void add(const float* x, const std::uint16_t* branch, float* sum, std::int64_t n);

}  // namespace edgeclip::layer_norm_simd
