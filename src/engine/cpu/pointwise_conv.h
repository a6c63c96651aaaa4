#pragma once

#include "engine/cpu/cpu_node.h"
#include "engine/ops/activation.h"

namespace edgeclip::engine {

/// A convolution by constant weights (O, I, 1, ...) without stride, padding or groups, channels last, is a product of
/// (pixels, I) by (I, O): by products of our own (kernels/gemm), with bias, residual and activation behind it.
/// nullptr where it is no such.
std::unique_ptr<Kernel> bind_pointwise_conv(const Node& node, const BindRequest& request, const TensorView& weights,
                                            const TensorView& bias, const Activation& activation, CpuState& state);

}  // namespace edgeclip::engine
