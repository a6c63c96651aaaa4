#include "model/ops/layer_norm_simd.h"

#include <cmath>

// Compiled once per instruction set, chosen at run time (github.com/google/highway).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/ops/layer_norm_simd.cpp"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace edgeclip::layer_norm_simd {
namespace HWY_NAMESPACE {

#include "model/ops/elements_simd.inl"

/// The sum over a row of term(tag, i): in four vectors, since one would wait for itself.
template <class Term>
float sum_of(std::int64_t n, const Term& term) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, term(d, i));
    s1 = hn::Add(s1, term(d, i + lanes));
    s2 = hn::Add(s2, term(d, i + 2 * lanes));
    s3 = hn::Add(s3, term(d, i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = hn::Add(s0, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) sum += hn::GetLane(term(one, i));
  return sum;
}

template <class Y>
void normalize(const float* x, const float* weight, const float* bias, float mean, float inverse, Y* y,
               std::int64_t width) {
  for_each_vector(width, [=](auto d, std::int64_t i) {
    const auto unit = hn::Mul(hn::Sub(load(d, x + i), hn::Set(d, mean)), hn::Set(d, inverse));
    store(d, hn::MulAdd(unit, load(d, weight + i), load(d, bias + i)), y + i);
  });
}

template <class Branch>
void add_row(const float* x, const Branch* branch, float* sum, std::int64_t n) {
  for_each_vector(
      n, [=](auto d, std::int64_t i) { store(d, hn::Add(load(d, x + i), load(d, branch + i)), sum + i); });
}

void forward_rows(const Forward& work, std::int64_t width, std::int64_t begin, std::int64_t end) {
  const auto columns = static_cast<float>(width);
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t at = r * width;
    const float* x = work.x + at;
    if (work.branch.f32) add_row(x, work.branch.f32 + at, work.sum + at, width);
    if (work.branch.bf16) add_row(x, work.branch.bf16 + at, work.sum + at, width);
    if (work.sum) x = work.sum + at;
    const float mean = sum_of(width, [=](auto d, std::int64_t i) { return load(d, x + i); }) / columns;
    const float variance = sum_of(width,
                                  [=](auto d, std::int64_t i) {
                                    const auto off = hn::Sub(load(d, x + i), hn::Set(d, mean));
                                    return hn::Mul(off, off);
                                  }) /
                           columns;
    const float inverse = 1 / std::sqrt(variance + work.eps);
    if (work.mean) work.mean[r] = mean;
    if (work.inverse) work.inverse[r] = inverse;
    if (work.y.f32) normalize(x, work.weight, work.bias, mean, inverse, work.y.f32 + at, width);
    if (work.y.bf16) normalize(x, work.weight, work.bias, mean, inverse, work.y.bf16 + at, width);
  }
}

// With u = (sum - mean) inverse and h = g_y weight:
//   g_x = inverse (h - mean(h) - u mean(h u)) + g_sum;  g_weight = sum over rows of g_y u;  g_bias = of g_y.
template <class G>
void backward_row(const Backward& work, const G* g, std::int64_t width, std::int64_t r) {
  const std::int64_t at = r * width;
  const float* const x = work.sum + at;
  const float* const weight = work.weight;
  const float mean = work.mean[r], inverse = work.inverse[r], columns = static_cast<float>(width);
  const auto unit = [=](auto d, std::int64_t i) {
    return hn::Mul(hn::Sub(load(d, x + i), hn::Set(d, mean)), hn::Set(d, inverse));
  };
  const auto h = [=](auto d, std::int64_t i) { return hn::Mul(load(d, g + i), load(d, weight + i)); };
  const float mean_h = sum_of(width, h) / columns;
  const float mean_hu =
      sum_of(width, [=](auto d, std::int64_t i) { return hn::Mul(h(d, i), unit(d, i)); }) / columns;
  const float* const g_sum = work.g_sum ? work.g_sum + at : nullptr;
  float* const g_x = work.g_x + at;
  std::uint16_t* const g_branch = work.g_branch ? work.g_branch + at : nullptr;
  for_each_vector(width, [=](auto d, std::int64_t i) {
    const auto off = hn::NegMulAdd(unit(d, i), hn::Set(d, mean_hu), hn::Sub(h(d, i), hn::Set(d, mean_h)));
    auto v = hn::Mul(off, hn::Set(d, inverse));
    if (g_sum) v = hn::Add(v, load(d, g_sum + i));
    store(d, v, g_x + i);
    if (g_branch) store(d, v, g_branch + i);
  });
  if (!work.g_weight) return;
  float *const g_weight = work.g_weight, *const g_bias = work.g_bias;
  for_each_vector(width, [=](auto d, std::int64_t i) {
    const auto gradient = load(d, g + i);
    store(d, hn::MulAdd(gradient, unit(d, i), load(d, g_weight + i)), g_weight + i);
    store(d, hn::Add(gradient, load(d, g_bias + i)), g_bias + i);
  });
}

void backward_rows(const Backward& work, std::int64_t width, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r)
    if (work.g_y.bf16)
      backward_row(work, work.g_y.bf16 + r * width, width, r);
    else
      backward_row(work, work.g_y.f32 + r * width, width, r);
}

void add_bf16(const float* x, const std::uint16_t* branch, float* sum, std::int64_t n) {
  add_row(x, branch, sum, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace edgeclip::layer_norm_simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgeclip::layer_norm_simd {

HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_rows);
HWY_EXPORT(add_bf16);

void forward(const Forward& work, std::int64_t width, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(forward_rows)(work, width, begin, end);
}
void backward(const Backward& work, std::int64_t width, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(backward_rows)(work, width, begin, end);
}
void add(const float* x, const std::uint16_t* branch, float* sum, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(add_bf16)(x, branch, sum, n);
}

}  // namespace edgeclip::layer_norm_simd
#endif
