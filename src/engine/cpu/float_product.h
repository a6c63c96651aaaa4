#pragma once

#include <optional>

#include "engine/cpu/cpu_node.h"
#include "engine/cpu/gemm_weights.h"
#include "engine/ops/activation.h"

namespace edgeclip::engine {

/// Input 0 as (rows, K), float32 and dense, by packed weights of floats, with what follows; rounded to bfloat16 first
/// where the weights are of that.
struct FloatProduct {
  GemmWeights::Packed weights;
  std::int64_t rows = 0;
  const float* bias = nullptr;  ///< (N), or null
  Activation activation;
  std::optional<std::size_t> residual;  ///< the input that is added: (rows, N)
};
std::unique_ptr<Kernel> make_float_product(FloatProduct product, const BindRequest& request);

}  // namespace edgeclip::engine
