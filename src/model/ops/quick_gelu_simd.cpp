#include "model/ops/quick_gelu_simd.h"

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

#include "model/ops/elements_simd.inl"

#if HWY_TARGET == HWY_SCALAR  // no exponential of Highway's here

template <class D>
hn::Vec<D> gate(D d, hn::Vec<D> x) {
  return hn::Set(d, 1.0f / (1.0f + std::exp(-1.702f * hn::GetLane(x))));
}

#else

/// sigmoid(1.702 x); the exponent is bounded, so that no infinity meets a zero.
template <class D>
hn::Vec<D> gate(D d, hn::Vec<D> x) {
  const auto z = hn::Min(hn::Mul(x, hn::Set(d, -1.702f)), hn::Set(d, 87.0f));
  return hn::Div(hn::Set(d, 1.0f), hn::Add(hn::Set(d, 1.0f), hn::Exp(d, z)));
}

#endif

template <class D>
hn::Vec<D> slope(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f), s = gate(d, x);
  return hn::Mul(s, hn::MulAdd(hn::Mul(x, hn::Set(d, 1.702f)), hn::Sub(one, s), one));
}

template <class T>
void forward(const T* x, T* y, std::int64_t n) {
  for_each_vector(n, [=](auto d, std::int64_t i) {
    const auto v = load(d, x + i);
    store(d, hn::Mul(v, gate(d, v)), y + i);
  });
}

template <class T>
void backward(const T* x, const T* g, T* out, std::int64_t n) {
  for_each_vector(n, [=](auto d, std::int64_t i) {
    store(d, hn::Mul(load(d, g + i), slope(d, load(d, x + i))), out + i);
  });
}

void forward_f32(const float* x, float* y, std::int64_t n) { forward(x, y, n); }
void forward_bf16(const std::uint16_t* x, std::uint16_t* y, std::int64_t n) { forward(x, y, n); }
void backward_f32(const float* x, const float* g, float* out, std::int64_t n) { backward(x, g, out, n); }
void backward_bf16(const std::uint16_t* x, const std::uint16_t* g, std::uint16_t* out, std::int64_t n) {
  backward(x, g, out, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace edgeclip::quick_gelu_simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgeclip::quick_gelu_simd {

HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_bf16);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_bf16);

void forward(const float* x, float* y, std::int64_t n) { HWY_DYNAMIC_DISPATCH(forward_f32)(x, y, n); }
void forward(const std::uint16_t* x, std::uint16_t* y, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(forward_bf16)(x, y, n);
}
void backward(const float* x, const float* gradient, float* out, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(backward_f32)(x, gradient, out, n);
}
void backward(const std::uint16_t* x, const std::uint16_t* gradient, std::uint16_t* out, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(backward_bf16)(x, gradient, out, n);
}

}  // namespace edgeclip::quick_gelu_simd
#endif
