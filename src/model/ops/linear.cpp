#include "model/ops/linear.h"

namespace edgeclip::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Not differentiated: an input that autograd does not see.
struct StoredWeight {
  torch::Tensor weight;
};

class WidenedLinear : public torch::autograd::Function<WidenedLinear> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const StoredWeight& stored) {
    context->save_for_backward({stored.weight});
    return torch::matmul(x, stored.weight.to(x.scalar_type()).t());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const torch::Tensor weight = context->get_saved_variables()[0];
    return {torch::matmul(gradients[0], weight.to(gradients[0].scalar_type())), {}};
  }
};

}  // namespace

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     ComputeType compute) {
  if (compute == ComputeType::f32 && weight.scalar_type() == torch::kBFloat16 &&
      x.scalar_type() == torch::kFloat) {
    const torch::Tensor y = WidenedLinear::apply(x, StoredWeight{weight.detach()});
    return bias.defined() ? y + bias : y;
  }
  return torch::linear(as_operand(x, compute), as_operand(weight, compute), as_operand(bias, compute));
}

}  // namespace edgeclip::ops
