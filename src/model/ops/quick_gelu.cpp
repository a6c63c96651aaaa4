#include "model/ops/quick_gelu.h"

#include <ATen/Parallel.h>

#include "model/ops/elements.h"
#include "model/ops/first_derivative.h"
#include "model/ops/quick_gelu_simd.h"

namespace edgeclip::ops {

namespace {

constexpr std::int64_t kGrain = 1 << 15;  ///< values worth a thread

torch::Tensor forward_pass(const torch::Tensor& x) {
  torch::Tensor y = torch::empty_like(x);
  with_elements(x, [&](auto* in) {
    auto* const out = elements<std::remove_const_t<std::remove_pointer_t<decltype(in)>>>(y);
    at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      quick_gelu_simd::forward(in + begin, out + begin, end - begin);
    });
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
    refuse_second_derivative("QuickGELU");
    const torch::Tensor x = context->get_saved_variables()[0], g = gradients[0].contiguous();
    torch::Tensor out = torch::empty_like(x);
    with_elements(x, [&](auto* in) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(in)>>;
      const T* const gradient = elements<T>(g);
      T* const to = elements<T>(out);
      at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        quick_gelu_simd::backward(in + begin, gradient + begin, to + begin, end - begin);
      });
    });
    return {out};
  }
};

}  // namespace

torch::Tensor quick_gelu(const torch::Tensor& x) {
  if (!has_elements(x)) return x * torch::sigmoid(x * 1.702);
  const torch::Tensor dense = x.contiguous();
  const bool needs_graph = torch::GradMode::is_enabled() && dense.requires_grad();
  return needs_graph ? QuickGelu::apply(dense) : forward_pass(dense);
}

}  // namespace edgeclip::ops
