#pragma once

#include <memory>

#include "engine/cpu/onednn.h"

/// The float32 families, a file each.  All return nullptr where they do not fit; shapes hold at least one
/// element.
namespace edgeclip::engine {

/// edgeclip.FusedMatMul: act(A W + bias) + residual, leading dimensions of A flattened; weights packed once.
std::unique_ptr<Kernel> make_onednn_fused_matmul(const KernelRequest& request);

/// MatMul (batched, with broadcast batch dimensions) and Gemm (any transposition and alpha; beta 1).
std::unique_ptr<Kernel> make_onednn_matmul(const KernelRequest& request);

/// Conv over two spatial dimensions, groups and dilations included; constant weights are packed once.
std::unique_ptr<Kernel> make_onednn_conv(const KernelRequest& request);

/// LayerNormalization over the last axis.
std::unique_ptr<Kernel> make_onednn_layer_norm(const KernelRequest& request);

/// Softmax over the last axis.
std::unique_ptr<Kernel> make_onednn_softmax(const KernelRequest& request);

/// Add, Sub, Mul, Div where one side has the output's shape (the left one for Sub and Div).
std::unique_ptr<Kernel> make_onednn_binary(const KernelRequest& request);

/// Relu, Sigmoid, Tanh, Exp, Abs, edgeclip.Gelu, edgeclip.QuickGelu.
std::unique_ptr<Kernel> make_onednn_eltwise(const KernelRequest& request);

/// Transpose of any element type of 1 or 4 bytes.
std::unique_ptr<Kernel> make_onednn_transpose(const KernelRequest& request);

}  // namespace edgeclip::engine
