#include "model/ops/quick_gelu_simd.h"

#include <algorithm>
#include <cmath>

// Compiled once per instruction set, chosen at run time (github.com/google/highway).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/ops/quick_gelu_simd.cpp"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace edgeclip::quick_gelu_simd {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR  // no vectors here

void forward(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] / (1.0f + std::exp(-1.702f * x[i]));
}

void backward(const float* x, const float* g, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float s = 1.0f / (1.0f + std::exp(-1.702f * x[i]));
    out[i] = g[i] * s * (1.0f + 1.702f * x[i] * (1.0f - s));
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// sigmoid(1.702 x); the exponent is bounded, so that no infinity meets a zero.
V gate(D d, V x) {
  const V z = hn::Min(hn::Mul(x, hn::Set(d, -1.702f)), hn::Set(d, 87.0f));
  return hn::Div(hn::Set(d, 1.0f), hn::Add(hn::Set(d, 1.0f), hn::Exp(d, z)));
}

V slope(D d, V x) {
  const V one = hn::Set(d, 1.0f), s = gate(d, x);
  return hn::Mul(s, hn::MulAdd(hn::Mul(x, hn::Set(d, 1.702f)), hn::Sub(one, s), one));
}

/// body(values of a, values of b) into out, the last partial vector through a buffer.
template <class Body>
void for_each(const float* a, const float* b, float* out, std::int64_t n, const Body& body) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(body(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  if (i == n) return;
  HWY_ALIGN float rest_a[HWY_MAX_BYTES / sizeof(float)] = {}, rest_b[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy(a + i, a + n, rest_a);
  std::copy(b + i, b + n, rest_b);
  hn::Store(body(d, hn::Load(d, rest_a), hn::Load(d, rest_b)), d, rest_a);
  std::copy(rest_a, rest_a + (n - i), out + i);
}

void forward(const float* x, float* y, std::int64_t n) {
  for_each(x, x, y, n, [](D d, V v, V) { return hn::Mul(v, gate(d, v)); });
}

void backward(const float* x, const float* g, float* out, std::int64_t n) {
  for_each(x, g, out, n, [](D d, V v, V gradient) { return hn::Mul(gradient, slope(d, v)); });
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace edgeclip::quick_gelu_simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgeclip::quick_gelu_simd {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

}  // namespace edgeclip::quick_gelu_simd

namespace edgeclip {

void quick_gelu_forward(const float* x, float* y, std::int64_t n) {
  using namespace quick_gelu_simd;
  HWY_DYNAMIC_DISPATCH(forward)(x, y, n);
}

void quick_gelu_backward(const float* x, const float* gradient, float* out, std::int64_t n) {
  using namespace quick_gelu_simd;
  HWY_DYNAMIC_DISPATCH(backward)(x, gradient, out, n);
}

}  // namespace edgeclip
#endif
