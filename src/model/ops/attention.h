#pragma once

#include "model/sequences.h"

namespace edgeclip::ops {

/// softmax(q kᵀ / √d + key bias) v within each sequence, by heads of d = W / heads elements that lie side by
/// side in a row (Vaswani et al. 2017, eq. 1).  k, v: (N, W), a row behind the other at any distance, as a part
/// of (N, 3 W) has it; q: (N, W), or (B, W): one query per sequence, which sees all of its keys.  -> q's
/// shape and type.  float32 or bfloat16 operands, all of one type.  Scores, softmax and sums are float32,
/// whatever the operands are.  dropout: the share of weights that become 0, in training alone.
///
/// On the CPU, for heads of 16 n elements without dropout, one kernel reads the heads where they lie, and the
/// backward pass computes the weights again: q, k and v are all that is kept.  Else attention_reference().
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads, const Sequences& sequences, double dropout = 0);

/// The readable form, by LibTorch's operators: any device, type and size.
torch::Tensor attention_reference(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                  std::int64_t heads, const Sequences& sequences, double dropout = 0);

}  // namespace edgeclip::ops
