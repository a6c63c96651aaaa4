#include "model/linear.h"

#include <cmath>

#include "base/error.h"
#include "model/lora/dora.h"
#include "model/ops/fake_quantize.h"
#include "model/ops/linear.h"
#include "model/ops/lora_linear.h"

namespace edgeclip {

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias) {
  weight = register_parameter("weight", torch::empty({out, in}));
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (with_bias) bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor LinearImpl::forward(const torch::Tensor& value, ComputeType compute) {
  const torch::Tensor x = input_range ? input_range->read(value) : value;
  if (weight_bits > 0)
    return ops::linear(x, ops::fake_quantize_channels(lora_ ? effective_weight(weight, *lora_) : weight, weight_bits), bias, compute);
  if (!lora_) return ops::linear(x, weight, bias, compute);
  const torch::Tensor dropped =
      lora_->dropout > 0 && is_training() ? torch::dropout(x, lora_->dropout, true) : x;
  if (lora_->magnitude.defined()) return dora_linear(x, dropped, weight, bias, *lora_, compute);
  return ops::lora_linear(x, dropped, weight, bias, *lora_, compute);
}

void LinearImpl::attach_lora(const LoraPair& pair) {
  EDGECLIP_CHECK(!lora_, "an adapter is attached already");
  lora_ = pair;
  register_parameter("lora_A", lora_->A, lora_->A.requires_grad());
  register_parameter("lora_B", lora_->B, lora_->B.requires_grad());
  if (const torch::Tensor& m = lora_->magnitude; m.defined())
    register_parameter("lora_magnitude_vector", m, m.requires_grad());
}

LoraPair LinearImpl::detach_lora() {
  EDGECLIP_CHECK(lora_.has_value());
  const LoraPair pair = *lora_;
  parameters_.erase("lora_A");
  parameters_.erase("lora_B");
  if (pair.magnitude.defined()) parameters_.erase("lora_magnitude_vector");
  lora_.reset();
  return pair;
}

QuantizableValue quantizable_linear(Linear layer, const std::string& name) {
  return {&layer->input_range, {{name + ".weight", &layer->weight_bits}}};
}

}  // namespace edgeclip
