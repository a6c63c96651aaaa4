#include "model/batch_norm.h"

#include "model/recompute.h"

namespace edgeclip {

BatchNormImpl::BatchNormImpl(int channels) {
  weight = register_parameter("weight", torch::ones({channels}));
  bias = register_parameter("bias", torch::zeros({channels}));
  running_mean = register_buffer("running_mean", torch::zeros({channels}));
  running_var = register_buffer("running_var", torch::ones({channels}));
  num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, torch::kInt64));
}

torch::Tensor BatchNormImpl::forward(const torch::Tensor& x) {
  const bool by_batch = is_training() && weight.requires_grad();
  const bool moves = by_batch && !is_recomputing();
  if (moves) num_batches_tracked.add_(1);
  const torch::Tensor none;
  return torch::batch_norm(x, weight, bias, by_batch && !moves ? none : running_mean,
                           by_batch && !moves ? none : running_var, by_batch, kMomentum, kEps,
                           /*cudnn_enabled=*/true);
}

}  // namespace edgeclip
