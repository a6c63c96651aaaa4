#include "model/ops/lora_linear.h"

#include "model/ops/first_derivative.h"
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
                               double scale, ComputeType compute) {
    const bool same = x.is_same(dropped);
    const torch::ScalarType type = compute == ComputeType::bf16 ? torch::kBFloat16 : torch::kFloat;
    const torch::Tensor weight = frozen.weight.to(type), bias = frozen.bias, a = A.to(type), b = B.to(type);
    const torch::Tensor in = rows_of(x).to(type), adapted = same ? in : rows_of(dropped).to(type);
    const torch::Tensor low = torch::mm(adapted, a.t());  // (N, r)
    torch::Tensor y =
        bias.defined() ? torch::addmm(bias.to(type), in, weight.t()) : torch::mm(in, weight.t());
    y.addmm_(low, b.t(), /*beta=*/1, /*alpha=*/scale);
    // Of a weight that is narrower than the product its own bits are kept, else what the product read.
    const bool narrow = frozen.weight.element_size() < weight.element_size();
    context->save_for_backward({adapted, narrow ? frozen.weight : weight, a, b, low});
    context->saved_data["scale"] = scale;
    context->saved_data["same"] = same;
    context->saved_data["types"] =
        std::vector<std::int64_t>{type_code(x), type_code(dropped), type_code(A), type_code(B)};
    std::vector<std::int64_t> shape = x.sizes().vec();
    context->saved_data["shape"] = shape;
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_derivative("a linear layer with an adapter");
    const auto saved = context->get_saved_variables();
    const torch::Tensor &adapted = saved[0], &weight = saved[1], &a = saved[2], &b = saved[3],
                        &low = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const bool same = context->saved_data["same"].toBool();
    const std::vector<std::int64_t> shape = context->saved_data["shape"].toIntVector(),
                                    types = context->saved_data["types"].toIntVector();
    const auto as = [&](const torch::Tensor& t, std::size_t input) {
      return t.to(static_cast<torch::ScalarType>(types[input]));
    };
    const torch::Tensor g = rows_of(gradients[0]);
    const torch::Tensor g_low = torch::mm(g, b).mul_(scale);  // (N, r)
    torch::Tensor g_x, g_dropped;
    if (context->needs_input_grad(0)) {
      g_x = torch::mm(g, weight.to(g.scalar_type()));
      if (same) g_x.addmm_(g_low, a);  // and none for dropped, which is x
      g_x = as(g_x, 0).view(shape);
    }
    if (!same && context->needs_input_grad(1)) g_dropped = as(torch::mm(g_low, a), 1).view(shape);
    const torch::Tensor g_A = torch::mm(g_low.t(), adapted), g_B = torch::mm(g.t(), low).mul_(scale);
    return {g_x, g_dropped, {}, as(g_A, 2), as(g_B, 3), {}, {}};
  }

 private:
  static std::int64_t type_code(const torch::Tensor& t) { return static_cast<std::int64_t>(t.scalar_type()); }
};

}  // namespace

torch::Tensor lora_linear(const torch::Tensor& x, const torch::Tensor& dropped, const torch::Tensor& weight,
                          const torch::Tensor& bias, const LoraPair& lora, ComputeType compute) {
  const bool frozen = !weight.requires_grad() && !(bias.defined() && bias.requires_grad());
  const auto fits = [&](const torch::Tensor& t) {
    return t.scalar_type() == torch::kFloat ||
           (compute == ComputeType::bf16 && t.scalar_type() == torch::kBFloat16);
  };
  if (frozen && fits(x) && fits(dropped))
    return FrozenLoraLinear::apply(x, dropped, Frozen{weight.detach(), bias.defined() ? bias.detach() : bias},
                                   lora.A, lora.B, lora.scale, compute);
  return linear(x, weight, bias, compute) +
         linear(linear(dropped, lora.A, {}, compute), lora.B, {}, compute) * lora.scale;
}

}  // namespace edgeclip::ops
