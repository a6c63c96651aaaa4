#include "model/quick_gelu.h"

#include <ATen/Parallel.h>

#include <cmath>

// Compiled once per instruction set, chosen at run time (github.com/google/highway).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/quick_gelu.cpp"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace edgeclip {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR  // no vectors here

void Forward(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] / (1.0f + std::exp(-1.702f * x[i]));
}

void Backward(const float* x, const float* g, float* out, std::int64_t n) {
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

void Forward(const float* x, float* y, std::int64_t n) {
  for_each(x, x, y, n, [](D d, V v, V) { return hn::Mul(v, gate(d, v)); });
}

void Backward(const float* x, const float* g, float* out, std::int64_t n) {
  for_each(x, g, out, n, [](D d, V v, V gradient) { return hn::Mul(gradient, slope(d, v)); });
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace edgeclip
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgeclip {

HWY_EXPORT(Forward);
HWY_EXPORT(Backward);

namespace {

constexpr std::int64_t kGrain = 1 << 15;  ///< values worth a thread

torch::Tensor forward_pass(const torch::Tensor& x) {
  torch::Tensor y = torch::empty_like(x);
  const float* const in = x.data_ptr<float>();
  float* const out = y.data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(Forward)(in + begin, out + begin, end - begin);
  });
  return y;
}

class QuickGelu : public torch::autograd::Function<QuickGelu> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    return forward_pass(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::Tensor x = context->get_saved_variables()[0], g = gradients[0].contiguous();
    torch::Tensor out = torch::empty_like(x);
    const float *const in = x.data_ptr<float>(), *const gradient = g.data_ptr<float>();
    float* const to = out.data_ptr<float>();
    at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      HWY_DYNAMIC_DISPATCH(Backward)(in + begin, gradient + begin, to + begin, end - begin);
    });
    return {out};
  }
};

}  // namespace

torch::Tensor quick_gelu(const torch::Tensor& x) {
  if (x.scalar_type() != torch::kFloat || !x.device().is_cpu()) return x * torch::sigmoid(x * 1.702);
  const torch::Tensor dense = x.contiguous();
  const bool needs_graph = torch::GradMode::is_enabled() && dense.requires_grad();
  return needs_graph ? QuickGelu::apply(dense) : forward_pass(dense);
}

}  // namespace edgeclip
#endif
