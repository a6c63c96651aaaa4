#include "model/ops/lora_linear.h"

#include "model/ops/linear.h"

namespace edgeclip::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

torch::Tensor rows_of(const torch::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

/// Not differentiated; the bias may be undefined, which an input that autograd sees may not.
struct Frozen {
  torch::Tensor weight, bias;
};

class FrozenLoraLinear : public torch::autograd::Function<FrozenLoraLinear> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& dropped,
                               const Frozen& frozen, const torch::Tensor& A, const torch::Tensor& B,
                               double scale) {
    const torch::Tensor weight = frozen.weight.to(torch::kFloat), bias = frozen.bias;
    const torch::Tensor in = rows_of(x), low = torch::mm(rows_of(dropped), A.t());  // (N, in), (N, r)
    torch::Tensor y = bias.defined() ? torch::addmm(bias, in, weight.t()) : torch::mm(in, weight.t());
    y.addmm_(low, B.t(), /*beta=*/1, /*alpha=*/scale);
    context->save_for_backward({dropped, frozen.weight, A, B, low});
    context->saved_data["scale"] = scale;
    context->saved_data["same"] = x.is_same(dropped);
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &dropped = saved[0], &weight = saved[1], &A = saved[2], &B = saved[3],
                        &low = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const bool same = context->saved_data["same"].toBool();
    const torch::Tensor g = rows_of(gradients[0]);
    const torch::Tensor g_low = torch::mm(g, B).mul_(scale);  // (N, r)
    torch::Tensor g_x, g_dropped;
    if (context->needs_input_grad(0)) {
      g_x = torch::mm(g, weight.to(torch::kFloat));
      if (same) g_x.addmm_(g_low, A);  // and none for dropped, which is x
    }
    if (!same && context->needs_input_grad(1)) g_dropped = torch::mm(g_low, A).view(dropped.sizes());
    const torch::Tensor g_A = torch::mm(g_low.t(), rows_of(dropped)), g_B = torch::mm(g.t(), low).mul_(scale);
    if (g_x.defined()) g_x = g_x.view(dropped.sizes());
    return {g_x, g_dropped, {}, g_A, g_B, {}};
  }
};

}  // namespace

torch::Tensor lora_linear(const torch::Tensor& x, const torch::Tensor& dropped, const torch::Tensor& weight,
                          const torch::Tensor& bias, const LoraPair& lora, ComputeType compute) {
  const bool frozen = !weight.requires_grad() && !(bias.defined() && bias.requires_grad());
  if (frozen && compute == ComputeType::f32 && x.scalar_type() == torch::kFloat)
    return FrozenLoraLinear::apply(x, dropped, Frozen{weight.detach(), bias.defined() ? bias.detach() : bias},
                                   lora.A, lora.B, lora.scale);
  return linear(x, weight, bias, compute) +
         linear(linear(dropped, lora.A, {}, compute), lora.B, {}, compute) * lora.scale;
}

}  // namespace edgeclip::ops
