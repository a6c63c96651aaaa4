#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// What an adapter adds to one linear layer: scale * dropout(x) A^T B^T.  With a magnitude it is DoRA's, which
/// scales what comes out besides (dora.h): who computes with A and B alone must look whether there is one.
struct LoraPair {
  torch::Tensor A, B;  ///< (r, in), (out, r)
  double scale = 0, dropout = 0;
  torch::Tensor magnitude{};  ///< (out): the length of each of the weight's rows; undefined without DoRA
};

/// W + scale * B A, with a magnitude each row at that length: (out, in) float32, with gradients for all that it is made of but the lengths
/// that rows had (dora.h).
torch::Tensor effective_weight(const torch::Tensor& weight, const LoraPair& pair);

/// W + scale * B A, with a magnitude each row at that length: (out, in) float32.  weight: (out, in).  Not
/// differentiated.
torch::Tensor merged_weight(const torch::Tensor& weight, const LoraPair& pair);

}  // namespace edgeclip
