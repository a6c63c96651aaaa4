#include "model/linear.h"

#include <cmath>

#include "base/error.h"

namespace edgeclip {

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias) {
  weight = register_parameter("weight", torch::empty({out, in}));
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (with_bias) bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor LinearImpl::forward(const torch::Tensor& x) {
  const torch::Tensor y = torch::linear(x, weight, bias);
  if (!has_lora()) return y;
  const torch::Tensor dropped = lora_dropout_ > 0 ? torch::dropout(x, lora_dropout_, is_training()) : x;
  return y + torch::linear(torch::linear(dropped, lora_A), lora_B) * lora_scale;
}

void LinearImpl::attach_lora(const LoraOptions& options) {
  EDGECLIP_CHECK(!has_lora(), "an adapter is attached already");
  const auto like = weight.options().requires_grad(false);
  lora_A = register_parameter("lora_A", torch::empty({options.rank, weight.size(1)}, like));
  torch::nn::init::kaiming_uniform_(lora_A, std::sqrt(5.0));
  lora_B = register_parameter("lora_B", torch::zeros({weight.size(0), options.rank}, like));
  lora_scale = options.alpha / options.rank;
  lora_dropout_ = options.dropout;
}

torch::Tensor LinearImpl::lora_delta() const {
  EDGECLIP_CHECK(has_lora());
  return torch::matmul(lora_B, lora_A) * lora_scale;
}

void LinearImpl::merge_lora() {
  const torch::NoGradGuard no_grad;
  weight.add_(lora_delta());
  parameters_.erase("lora_A");
  parameters_.erase("lora_B");
  lora_A = lora_B = torch::Tensor();
  lora_scale = lora_dropout_ = 0;
}

void LinearImpl::replace_parameter(const std::string& name, torch::Tensor& member, torch::Tensor value) {
  member = value.detach().contiguous().requires_grad_(member.requires_grad());
  parameters_[name] = member;
}

void LinearImpl::keep_outputs(const torch::Tensor& index) {
  replace_parameter("weight", weight, weight.detach().index_select(0, index));
  if (bias.defined()) replace_parameter("bias", bias, bias.detach().index_select(0, index));
  if (has_lora()) replace_parameter("lora_B", lora_B, lora_B.detach().index_select(0, index));
}

void LinearImpl::keep_inputs(const torch::Tensor& index) {
  replace_parameter("weight", weight, weight.detach().index_select(1, index));
  if (has_lora()) replace_parameter("lora_A", lora_A, lora_A.detach().index_select(1, index));
}

}  // namespace edgeclip
