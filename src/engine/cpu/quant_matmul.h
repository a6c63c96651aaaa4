#pragma once

#include <memory>

#include "engine/cpu/onednn.h"

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

/// edgeclip.QuantMatMul by oneDNN; nullptr where it does not fit (weights or scales are not constants, the
/// residual is broadcast, a scale so small that bias / scale overflows, nothing to compute).
std::unique_ptr<Kernel> make_onednn_quant_matmul(const KernelRequest& request);
/// The same on a given path, for tests.
std::unique_ptr<Kernel> make_onednn_quant_matmul(const KernelRequest& request, QuantMatMulPath path);

/// QuantizeLinear of float32 to uint8 with one scale: a vectorized loop over the CPUs, bit-equal to the
/// reference. nullptr for everything else.
std::unique_ptr<Kernel> make_fast_quantize_linear(const KernelRequest& request);

}  // namespace edgeclip::engine
