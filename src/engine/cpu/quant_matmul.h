#pragma once

#include <memory>

#include "engine/cpu/cpu_node.h"

namespace edgeclip::engine {

/// How edgeclip.QuantMatMul is computed on this CPU.
enum class QuantMatMulPath {
  int8,    ///< u8 x s8 products summed exactly in 32 bits
  widened  ///< activations and weights widened to float32: exact sums up to rounding, at fp32 speed
};

/// Without VNNI, x86's vpmaddubsw adds two u8 x s8 products in 16 bits with saturation: 255 * 127 * 2
/// overflows. True where oneDNN would use it (follows ONEDNN_MAX_CPU_ISA).
bool int8_products_saturate();

/// Weights of 7 bits (|w| <= 64, `quantize` with weight_bits 7) cannot overflow it: int8 everywhere.  Others
/// are widened where products saturate, so that one plan gives the same answer on every CPU.
QuantMatMulPath quant_matmul_path(const TensorView& weights, bool saturating);

/// edgeclip.QuantMatMul by oneDNN on a given path, for tests; nullptr where it does not fit (weights, scales
/// or bias are no constants, a scale so small that bias / scale overflows).
std::unique_ptr<PreparedNode> prepare_quant_matmul(const PrepareRequest& request, QuantMatMulPath path);

}  // namespace edgeclip::engine
