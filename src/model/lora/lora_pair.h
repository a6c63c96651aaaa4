#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// What an adapter adds to one linear layer: scale * dropout(x) A^T B^T.
struct LoraPair {
  torch::Tensor A, B;  ///< (r, in), (out, r)
  double scale = 0, dropout = 0;
};

/// W + scale * B A, (out, in) float32.  weight: (out, in).  Not differentiated.
torch::Tensor merged_weight(const torch::Tensor& weight, const LoraPair& pair);

}  // namespace edgeclip
