#include "model/linear.h"

#include <ATen/autocast_mode.h>

#include <cmath>

#include "base/error.h"
#include "model/lora/lora_linear.h"

namespace edgeclip {

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias) {
  weight = register_parameter("weight", torch::empty({out, in}));
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (with_bias) bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor LinearImpl::forward(const torch::Tensor& x) {
  const bool autocast = at::autocast::is_cpu_enabled() || at::autocast::is_enabled();
  const bool widen =
      weight.scalar_type() == torch::kBFloat16 && x.scalar_type() == torch::kFloat && !autocast;
  if (!has_lora() || is_merged())
    return widen ? widened_linear(x, weight, bias) : torch::linear(x, weight, bias);
  const torch::Tensor dropped = lora_dropout_ > 0 ? torch::dropout(x, lora_dropout_, is_training()) : x;
  const bool frozen = !weight.requires_grad() && !(bias.defined() && bias.requires_grad());
  if (frozen && !autocast && x.scalar_type() == torch::kFloat)
    return frozen_lora_linear(x, dropped, weight, bias, lora_A, lora_B, lora_scale);
  return (widen ? widened_linear(x, weight, bias) : torch::linear(x, weight, bias)) +
         torch::linear(torch::linear(dropped, lora_A), lora_B) * lora_scale;
}

void LinearImpl::attach_lora(const LoraPair& pair) {
  EDGECLIP_CHECK(!has_lora(), "an adapter is attached already");
  lora_A = register_parameter("lora_A", pair.A);
  lora_B = register_parameter("lora_B", pair.B);
  lora_scale = pair.scale;
  lora_dropout_ = pair.dropout;
}

LoraPair LinearImpl::detach_lora() {
  EDGECLIP_CHECK(has_lora() && !is_merged());
  const LoraPair pair{lora_A, lora_B, lora_scale, lora_dropout_};
  parameters_.erase("lora_A");
  parameters_.erase("lora_B");
  lora_A = lora_B = torch::Tensor();
  lora_scale = lora_dropout_ = 0;
  return pair;
}

torch::Tensor LinearImpl::lora_delta() const {
  EDGECLIP_CHECK(has_lora());
  return torch::matmul(lora_B, lora_A) * lora_scale;
}

void LinearImpl::merge_lora() {
  EDGECLIP_CHECK(has_lora() && !is_merged());
  const torch::NoGradGuard no_grad;
  base_ = weight.detach();
  weight.set_data((base_.to(torch::kFloat) + lora_delta()).to(base_.scalar_type()));
}

void LinearImpl::unmerge_lora() {
  EDGECLIP_CHECK(is_merged());
  weight.set_data(base_);
  base_ = torch::Tensor();
}

void LinearImpl::fold_lora() {
  const torch::NoGradGuard no_grad;
  weight.set_data(base_weight().detach().to(torch::kFloat) +
                  lora_delta());  // unrounded, whatever the base is
  base_ = torch::Tensor();
  detach_lora();
}

void LinearImpl::replace_parameter(const std::string& name, torch::Tensor& member, torch::Tensor value) {
  member = value.detach().contiguous().requires_grad_(member.requires_grad());
  parameters_[name] = member;
}

void LinearImpl::keep_outputs(const torch::Tensor& index) {
  EDGECLIP_CHECK(!has_lora());
  replace_parameter("weight", weight, weight.detach().index_select(0, index));
  if (bias.defined()) replace_parameter("bias", bias, bias.detach().index_select(0, index));
}

void LinearImpl::keep_inputs(const torch::Tensor& index) {
  EDGECLIP_CHECK(!has_lora());
  replace_parameter("weight", weight, weight.detach().index_select(1, index));
}

}  // namespace edgeclip
