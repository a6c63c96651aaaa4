#include "model/ops/fake_quantize.h"

#include "base/error.h"

namespace edgeclip::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class RoundedValue : public torch::autograd::Function<RoundedValue> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, double scale, double zero_point) {
    const torch::Tensor steps = x.to(torch::kFloat).div(scale).round_();
    torch::Tensor kept = steps.clamp(-zero_point, 255 - zero_point);
    context->save_for_backward({steps.eq(kept)});
    return kept.mul_(scale).to(x.scalar_type());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {gradients[0].masked_fill(context->get_saved_variables()[0].logical_not(), 0), {}, {}};
  }
};

class RoundedChannels : public torch::autograd::Function<RoundedChannels> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& weights, std::int64_t bits) {
    context->saved_data["type"] = static_cast<std::int64_t>(weights.scalar_type());
    const double top = bits == 8 ? 127 : 63;
    const torch::Tensor wide = weights.to(torch::kFloat), most = wide.flatten(1).abs().amax(1);
    std::vector<std::int64_t> shape(static_cast<std::size_t>(weights.dim()), 1);
    shape[0] = weights.size(0);
    const torch::Tensor scales = torch::where(most > 1e-30, most / top, torch::ones_like(most)).view(shape);
    return wide.div(scales).round_().clamp_(-top, top).mul_(scales);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {gradients[0].to(static_cast<torch::ScalarType>(context->saved_data["type"].toInt())), {}};
  }
};

}  // namespace

torch::Tensor fake_quantize(const torch::Tensor& x, const ActivationScale& scale) {
  return RoundedValue::apply(x, static_cast<double>(scale.scale), static_cast<double>(scale.zero_point));
}

torch::Tensor fake_quantize_channels(const torch::Tensor& weights, int bits) {
  EDGECLIP_CHECK((bits == 7 || bits == 8) && weights.dim() >= 2, "{} bits, {} dimensions", bits, weights.dim());
  return RoundedChannels::apply(weights, static_cast<std::int64_t>(bits));
}

}  // namespace edgeclip::ops
