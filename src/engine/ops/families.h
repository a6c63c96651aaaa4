#pragma once

#include <vector>

#include "engine/ops/operator.h"

/// The operator table in parts: one function per family, each in the file of its name.  registry.cpp collects
/// them. To add a family: write its file, declare it here, name it in registry.cpp.
namespace edgeclip::engine {

const std::vector<Operator>& unary_operators();   ///< Abs ... Tanh, Not, IsNaN
const std::vector<Operator>& binary_operators();  ///< Add ... Xor, Min, Max, Clip, Where
const std::vector<Operator>& cast_operators();    ///< Cast, CastLike
const std::vector<Operator>& shape_operators();   ///< Shape, Reshape, Range, ...: same elements, other shape
const std::vector<Operator>& movement_operators();  ///< Transpose, Concat, Slice, Pad, ...: elements move
const std::vector<Operator>& pad_operators();       ///< Pad
const std::vector<Operator>& gather_operators();    ///< Gather, GatherElements, GatherND, Compress
const std::vector<Operator>& reduce_operators();    ///< ReduceSum ..., ArgMax, ArgMin, CumSum, CumProd
const std::vector<Operator>& softmax_operators();   ///< Softmax, LogSoftmax, Hardmax
const std::vector<Operator>& normalization_operators();  ///< Layer-, RMS-, BatchNormalization
const std::vector<Operator>& matmul_operators();         ///< MatMul, Gemm, and the integer ones
const std::vector<Operator>& conv_operators();           ///< Conv, ConvInteger, QLinearConv
const std::vector<Operator>& pool_operators();           ///< MaxPool, AveragePool, LpPool, global ones
const std::vector<Operator>&
quantize_operators();                            ///< QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear
const std::vector<Operator>& fused_operators();  ///< edgeclip.Gelu, QuickGelu, FusedMatMul, L2Normalize
const std::vector<Operator>& quant_operators();  ///< edgeclip.QuantMatMul (quant_matmul.cpp)
const std::vector<Operator>& quant_gather_operators();    ///< edgeclip.QuantGather
const std::vector<Operator>& quant_conv_operators();      ///< edgeclip.QuantConv
const std::vector<Operator>& quantize_rows_operators();   ///< edgeclip.QuantizeRows, AffineQuantizeRows
const std::vector<Operator>& layer_norm_quantize_operators();  ///< edgeclip.LayerNormQuantizeRows

const std::vector<Operator>& activation_operators();  ///< Gelu ... Shrink, PRelu (activation_functions.cpp)
const std::vector<Operator>& bitwise_operators();     ///< BitwiseAnd ... BitShift
const std::vector<Operator>& topk_operators();        ///< TopK
const std::vector<Operator>& scatter_operators();     ///< Scatter, ScatterElements, ScatterND, TensorScatter
const std::vector<Operator>& one_hot_operators();     ///< OneHot, EyeLike
const std::vector<Operator>& einsum_operators();      ///< Einsum
const std::vector<Operator>& attention_operators();   ///< Attention
const std::vector<Operator>& rotary_operators();      ///< RotaryEmbedding (rotary_embedding.cpp)
const std::vector<Operator>& reverse_sequence_operators();  ///< ReverseSequence
const std::vector<Operator>& determinant_operators();       ///< Det
const std::vector<Operator>& conv_transpose_operators();    ///< ConvTranspose
const std::vector<Operator>& resize_operators();            ///< Resize, Upsample
const std::vector<Operator>& grid_sample_operators();       ///< GridSample, AffineGrid
const std::vector<Operator>& space_depth_operators();       ///< DepthToSpace, SpaceToDepth
const std::vector<Operator>& group_norm_operators();        ///< InstanceNormalization, GroupNormalization
const std::vector<Operator>& lp_norm_operators();           ///< Lp-, MeanVarianceNormalization, LRN

const std::vector<Operator>& fused_conv_operators();       ///< edgeclip.FusedConv
const std::vector<Operator>& channel_affine_operators();   ///< edgeclip.ChannelAffine
const std::vector<Operator>& channel_shuffle_operators();  ///< edgeclip.ChannelShuffle
const std::vector<Operator>& masked_softmax_operators();   ///< edgeclip.MaskedSoftmax
const std::vector<Operator>& fused_attention_operators();  ///< edgeclip.FusedAttention
const std::vector<Operator>& token_merge_operators();      ///< edgeclip.TokenMerge

}  // namespace edgeclip::engine
