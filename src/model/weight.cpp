#include "model/weight.h"

#include <torch/csrc/autograd/variable.h>

namespace edgeclip {

std::int64_t weight_version(const torch::Tensor& parameter) { return parameter._version(); }

void set_weight(torch::Tensor& parameter, const torch::Tensor& value) {
  const bool fits = parameter.sizes() == value.sizes() && parameter.scalar_type() == value.scalar_type();
  if (!fits) {
    parameter.mutable_grad().reset();
    if (parameter.requires_grad())
      torch::autograd::impl::set_grad_accumulator(parameter, {});  // it knows the shape
  }
  parameter.set_data(value.detach());
  weight_was_written(parameter);
}

void weight_was_written(torch::Tensor& parameter) { parameter.unsafeGetTensorImpl()->bump_version(); }

}  // namespace edgeclip
