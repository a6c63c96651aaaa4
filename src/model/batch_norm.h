#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// BatchNorm2d (Ioffe and Szegedy 2015) with torch's names and arithmetic.  x: (B, C, H, W).  In training it
/// normalizes by the batch's statistics and moves the running ones (momentum 0.1, unbiased variance), unless
/// its weight is frozen: then it uses the running ones and leaves them alone, as a frozen layer must.
class BatchNormImpl : public torch::nn::Module {
 public:
  explicit BatchNormImpl(int channels);
  torch::Tensor forward(const torch::Tensor& x);

  static constexpr double kEps = 1e-5, kMomentum = 0.1;
  torch::Tensor weight, bias;                                    ///< (C)
  torch::Tensor running_mean, running_var, num_batches_tracked;  ///< buffers; the last one int64, scalar
};
TORCH_MODULE(BatchNorm);

}  // namespace edgeclip
