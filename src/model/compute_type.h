#pragma once

#include <torch/torch.h>

namespace edgeclip {

/// What a forward pass multiplies in.
enum class ComputeType {
  f32,  ///< the operands' own type; a frozen weight that is stored narrower is widened for its product
  bf16  ///< operands of products are rounded to bfloat16, and so are their results; sums between layers are
        ///< float32
};

/// x as an operand of a product.
torch::Tensor as_operand(const torch::Tensor& x, ComputeType compute);

}  // namespace edgeclip
