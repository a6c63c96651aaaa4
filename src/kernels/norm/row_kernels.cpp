#include "kernels/norm/row_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace edgeclip::kernels {

namespace {

/// Elements below which another thread is not worth waking.
constexpr std::int64_t kChunkElements = 1 << 13;

std::int64_t rows_of_chunk(std::int64_t width) { return std::max<std::int64_t>(1, kChunkElements / std::max<std::int64_t>(1, width)); }

template <class T>
T* behind(T* p, std::int64_t elements) {
  return p ? p + elements : nullptr;
}

}  // namespace

namespace scalar {

namespace {

/// Of value(0) ... value(width - 1).  Magnitudes are compared as the integers of their bits: NaN stands above
/// infinity.
template <class Value>
float largest_magnitude(std::int64_t width, const Value& value) {
  std::uint32_t largest = 0;
  for (std::int64_t k = 0; k < width; ++k) {
    const float v = value(k);
    std::uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    largest = std::max(largest, bits & 0x7fffffffU);
  }
  float magnitude;
  std::memcpy(&magnitude, &largest, sizeof magnitude);
  return magnitude;
}

template <class T>
void linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, T* y) {
  const float low = static_cast<float>(std::numeric_limits<T>::lowest()) - static_cast<float>(zero_point),
              high = low + 255.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    const float v = std::nearbyint(x[i] / scale);
    y[i] = static_cast<T>(static_cast<std::int32_t>(v != v ? 0.0F : std::clamp(v, low, high)) + zero_point);
  }
}

template <class Value>
void quantize_row(std::int64_t width, const Value& value, std::int8_t* q, float* q_scale) {
  const float scale = scale_of_row(largest_magnitude(width, value));
  if (q_scale) *q_scale = scale;
  if (!q) return;
  for (std::int64_t k = 0; k < width; ++k) {
    const float v = std::nearbyint(value(k) / scale);
    q[k] = static_cast<std::int8_t>(v != v ? 0.0F : std::clamp(v, -127.0F, 127.0F));
  }
}

void quantize(const QuantizedRows& work) {
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * work.width;
    const auto value = [x](std::int64_t k) { return x[k]; };
    quantize_row(work.width, value, behind(work.q, r * work.width), behind(work.q_scale, r));
  }
}

void quantize_affine(const AffineRows& work) {
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * work.width;
    float scale = largest_magnitude(work.width, [x](std::int64_t k) { return x[k]; });
    std::int32_t zero = 0;
    const bool finite = std::isfinite(scale);
    if (finite) {
      float low = 0, high = 0;
      for (std::int64_t k = 0; k < work.width; ++k) low = std::min(low, x[k]), high = std::max(high, x[k]);
      scale = affine_scale(low, high);
      zero = affine_zero_point(low, scale);
    }
    if (work.q_scale) work.q_scale[r] = scale;
    if (work.q_zero) work.q_zero[r] = zero;
    for (std::int64_t k = 0; work.q && k < work.width; ++k)
      work.q[r * work.width + k] = static_cast<std::uint8_t>(
          finite ? std::clamp(static_cast<std::int32_t>(std::nearbyint(x[k] / scale)) + zero, 0, 255) : 0);
  }
}

void normalize(const NormalizedRows& work) {
  const double width = static_cast<double>(work.width);
  for (std::int64_t r = 0; r < work.rows; ++r) {
    const float* x = work.x + r * work.width;
    double sum = 0, squares = 0;
    for (std::int64_t k = 0; k < work.width; ++k) sum += static_cast<double>(x[k]);
    const double mean = sum / width;
    for (std::int64_t k = 0; k < work.width; ++k) {
      const double d = static_cast<double>(x[k]) - mean;
      squares += d * d;
    }
    const double inverse = 1 / std::sqrt(squares / width + static_cast<double>(work.epsilon));
    const auto normalized = [&](std::int64_t k) {
      return static_cast<float>((static_cast<double>(x[k]) - mean) * inverse) * work.scale[k] +
             (work.shift ? work.shift[k] : 0.0F);
    };
    float* y = behind(work.y, r * work.width);
    if (y)
      for (std::int64_t k = 0; k < work.width; ++k) y[k] = normalized(k);
    if (!work.q) continue;
    std::int8_t* q = work.q + r * work.width;
    float* q_scale = behind(work.q_scale, r);
    if (y)
      quantize_row(work.width, [y](std::int64_t k) { return y[k]; }, q, q_scale);
    else  // computed twice rather than kept: kernels allocate nothing
      quantize_row(work.width, normalized, q, q_scale);
  }
}

}  // namespace

constinit const RowKernels row_kernels = {"reference",     normalize,           quantize,
                                          quantize_affine, linear<std::uint8_t>, linear<std::int8_t>};

}  // namespace scalar

const RowKernels& row_kernels(CpuLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case CpuLevel::avx512:
    case CpuLevel::avx512_vnni:
    case CpuLevel::avx512_bf16:
    case CpuLevel::amx:
      return avx512::row_kernels;
    case CpuLevel::avx2:
    case CpuLevel::avx_vnni:
      return avx2::row_kernels;
    default:
      break;
  }
#else
  static_cast<void>(level);
#endif
  return scalar::row_kernels;
}

void normalize_rows(const NormalizedRows& work, Executor& executor) {
  const auto normalize = row_kernels().normalize;
  parallel_chunks(executor, work.rows, rows_of_chunk(work.width), [&](std::int64_t begin, std::int64_t end) {
    NormalizedRows part = work;
    part.rows = end - begin;
    part.x = work.x + begin * work.width;
    part.y = behind(work.y, begin * work.width);
    part.q = behind(work.q, begin * work.width);
    part.q_scale = behind(work.q_scale, begin);
    normalize(part);
  });
}

void quantize_rows(const QuantizedRows& work, Executor& executor) {
  const auto quantize = row_kernels().quantize;
  parallel_chunks(executor, work.rows, rows_of_chunk(work.width), [&](std::int64_t begin, std::int64_t end) {
    quantize({work.x + begin * work.width, end - begin, work.width, behind(work.q, begin * work.width),
              behind(work.q_scale, begin)});
  });
}

void quantize_rows(const AffineRows& work, Executor& executor) {
  const auto quantize = row_kernels().quantize_affine;
  parallel_chunks(executor, work.rows, rows_of_chunk(work.width), [&](std::int64_t begin, std::int64_t end) {
    quantize({work.x + begin * work.width, end - begin, work.width, behind(work.q, begin * work.width),
              behind(work.q_scale, begin), behind(work.q_zero, begin)});
  });
}

void quantize_linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::uint8_t* y,
                     Executor& executor) {
  const auto quantize = row_kernels().quantize_u8;
  parallel_chunks(
      executor, count, kChunkElements,
      [&](std::int64_t begin, std::int64_t end) { quantize(x + begin, end - begin, scale, zero_point, y + begin); }, 64);
}

void quantize_linear(const float* x, std::int64_t count, float scale, std::int32_t zero_point, std::int8_t* y,
                     Executor& executor) {
  const auto quantize = row_kernels().quantize_i8;
  parallel_chunks(
      executor, count, kChunkElements,
      [&](std::int64_t begin, std::int64_t end) { quantize(x + begin, end - begin, scale, zero_point, y + begin); }, 64);
}

}  // namespace edgeclip::kernels
