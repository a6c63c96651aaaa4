#include "engine/cpu/cpu_node.h"
#include "engine/cpu/fast_operators.h"
#include "engine/cpu/parts.h"

namespace edgeclip::engine {

namespace {

constexpr const char* kFloat = "float32";
constexpr const char* kFirstFloat = "float32; others in parts";
constexpr const char* kAll = "all types";
constexpr const char* kOneSide = "float32, one side of the output's shape; others in parts";
constexpr const char* kLeft = "float32, the left side of the output's shape; others in parts";
constexpr const char* kWeights = "float32; constant weights also float16, bfloat16";
constexpr const char* kReduced = "float32, constant neighbouring axes";
constexpr const char* kParts = "all types, in parts";
constexpr const char* kRows = "all types, in parts of what lies before the axis";
constexpr const char* kResize =
    "to the nearest: all types; linear, cubic: float32; known scales or sizes, not tf_crop_and_resize";
constexpr const char* kScattered = "all types; reduction add: float32; no other reduction";
constexpr const char* kAllConstant = "all but the activations constant, weights that fit int8 less their zero points";
constexpr const char* kExactWeights =
    "constant weights that fit int8 less their zero points, of 7 bits on a CPU without VNNI; one zero point of the activations";
constexpr const char* kView = "all types: no copy, a view";

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"FusedMatMul", "edgeclip", prepare_fused_matmul, kWeights, 1},
      {"QuantMatMul", "edgeclip", prepare_quant_matmul,
       "constant weights, scales and bias; a residual of the result's shape", 1},
      {"QuantConv", "edgeclip", prepare_quant_conv, "constant weights, scales and bias"},
      {"QuantizeRows", "edgeclip", prepare_quantize_rows, kFloat},
      {"AffineQuantizeRows", "edgeclip", prepare_quantize_rows, kFloat},
      {"LayerNormQuantizeRows", "edgeclip", prepare_layer_norm_quantize, kFloat},
      {"QuantizeLinear", "", prepare_scaled, "float32 to uint8 and int8, one constant scale"},
      {"DequantizeLinear", "", prepare_scaled, "uint8 and int8 to float32, one constant scale"},
      {"DynamicQuantizeLinear", "", prepare_dynamic_quantize, kFloat},
      {"QLinearMatMul", "", prepare_qlinear_matmul, kAllConstant},
      {"QLinearConv", "", prepare_qlinear_conv, kAllConstant},
      {"MatMulInteger", "", prepare_matmul_integer, kExactWeights},
      {"ConvInteger", "", prepare_conv_integer, kExactWeights},
      {"MatMul", "", prepare_matmul, kFloat},
      {"Gemm", "", prepare_matmul, "float32, beta 1"},
      {"Conv", "", prepare_conv, "float32, one to three spatial dimensions"},
      {"FusedConv", "edgeclip", prepare_conv, kWeights},
      {"ConvTranspose", "", prepare_conv_transpose,
       "float32, one to three spatial dimensions, constant weights, explicit pads"},
      {"MaxPool", "", prepare_pool, "float32, uint8, int8; one to three spatial dimensions, without Indices"},
      {"AveragePool", "", prepare_pool,
       "float32, one to three spatial dimensions; not ceil_mode together with count_include_pad"},
      {"GlobalAveragePool", "", prepare_reduce, kFloat},
      {"GlobalMaxPool", "", prepare_reduce, kFloat},
      {"ReduceMean", "", prepare_reduce, kReduced},
      {"ReduceSum", "", prepare_reduce, kReduced},
      {"ReduceMax", "", prepare_reduce, kReduced},
      {"LayerNormalization", "", prepare_layer_norm, "float32, last axis, one output; others in parts"},
      {"L2Normalize", "edgeclip", prepare_l2_normalize, "float32, last axis"},
      {"Softmax", "", prepare_softmax, "float32; before opset 13 the last axis"},
      {"MaskedSoftmax", "edgeclip", prepare_masked_softmax, kFloat},
      {"FusedAttention", "edgeclip", prepare_fused_attention, "float32, heads of a multiple of 16 elements"},
      {"TokenMerge", "edgeclip", prepare_token_merge, kFloat},
      {"LogSoftmax", "", prepare_softmax, "float32; before opset 13 the last axis"},
      {"Add", "", prepare_binary, kOneSide},
      {"Mul", "", prepare_binary, kOneSide},
      {"Max", "", prepare_binary, "two inputs, float32, one of the output's shape; others in parts"},
      {"Min", "", prepare_binary, "two inputs, float32, one of the output's shape; others in parts"},
      {"Sub", "", prepare_binary, kLeft},
      {"Div", "", prepare_binary, kLeft},
      {"Relu", "", prepare_eltwise, "float32, int8; others in parts"},
      {"LeakyRelu", "", prepare_eltwise, kFirstFloat},
      {"Elu", "", prepare_eltwise, kFirstFloat},
      {"Sigmoid", "", prepare_eltwise, kFirstFloat},
      {"Swish", "", prepare_eltwise, kFirstFloat},
      {"HardSwish", "", prepare_eltwise, kFirstFloat},
      {"Tanh", "", prepare_eltwise, kFirstFloat},
      {"Exp", "", prepare_eltwise, kFirstFloat},
      {"Log", "", prepare_eltwise, kFirstFloat},
      {"Sqrt", "", prepare_eltwise, kFirstFloat},
      {"Abs", "", prepare_eltwise, kFirstFloat},
      {"Neg", "", prepare_eltwise, kFirstFloat},
      {"Clip", "", prepare_eltwise, "float32, constant bounds; others in parts"},
      {"Gelu", "", prepare_eltwise, kFirstFloat},
      {"Gelu", "edgeclip", prepare_eltwise, kFirstFloat},
      {"QuickGelu", "edgeclip", prepare_eltwise, kFirstFloat},
      {"Transpose", "", prepare_transpose, kAll},
      {"Concat", "", prepare_concat, kAll},
      {"Split", "", prepare_split, kAll},
      {"Slice", "", prepare_slice, "all types, bounds that are constants or follow from shapes"},
      {"Expand", "", prepare_expand, kAll},
      {"ChannelShuffle", "edgeclip", prepare_channel_shuffle, kAll},
      {"ChannelAffine", "edgeclip", prepare_channel_affine, kFloat},
      {"Gather", "", prepare_gather, kAll},
      {"QuantGather", "edgeclip", prepare_quant_gather, kAll},
      {"GatherND", "", prepare_gather_nd, kAll},
      {"Equal", "", prepare_equal, "int32, int64, float32; equal shapes or one element on a side; others in parts"},
      {"ArgMax", "", prepare_argmax, "int32, int64, float32, without select_last_index"},
      {"Cast", "", prepare_cast,
       "float32 from and to 16-bit floats, bool, int32 and int64 to float32, int32 and int64; those and float32 to bool; to its own type: a view"},
      {"Acos", "", prepare_elementwise, kParts},
      {"Acosh", "", prepare_elementwise, kParts},
      {"And", "", prepare_elementwise, kParts},
      {"Asin", "", prepare_elementwise, kParts},
      {"Asinh", "", prepare_elementwise, kParts},
      {"Atan", "", prepare_elementwise, kParts},
      {"Atanh", "", prepare_elementwise, kParts},
      {"BitShift", "", prepare_elementwise, kParts},
      {"BitwiseAnd", "", prepare_elementwise, kParts},
      {"BitwiseNot", "", prepare_elementwise, kParts},
      {"BitwiseOr", "", prepare_elementwise, kParts},
      {"BitwiseXor", "", prepare_elementwise, kParts},
      {"Ceil", "", prepare_elementwise, kParts},
      {"Celu", "", prepare_elementwise, kParts},
      {"Cos", "", prepare_elementwise, kParts},
      {"Cosh", "", prepare_elementwise, kParts},
      {"Erf", "", prepare_elementwise, kParts},
      {"Floor", "", prepare_elementwise, kParts},
      {"Greater", "", prepare_elementwise, kParts},
      {"GreaterOrEqual", "", prepare_elementwise, kParts},
      {"HardSigmoid", "", prepare_elementwise, kParts},
      {"IsInf", "", prepare_elementwise, kParts},
      {"IsNaN", "", prepare_elementwise, kParts},
      {"Less", "", prepare_elementwise, kParts},
      {"LessOrEqual", "", prepare_elementwise, kParts},
      {"Mean", "", prepare_elementwise, kParts},
      {"Mish", "", prepare_elementwise, kParts},
      {"Mod", "", prepare_elementwise, kParts},
      {"Not", "", prepare_elementwise, kParts},
      {"Or", "", prepare_elementwise, kParts},
      {"PRelu", "", prepare_elementwise, kParts},
      {"Pow", "", prepare_elementwise, kParts},
      {"Reciprocal", "", prepare_elementwise, kParts},
      {"Round", "", prepare_elementwise, kParts},
      {"Selu", "", prepare_elementwise, kParts},
      {"Shrink", "", prepare_elementwise, kParts},
      {"Sign", "", prepare_elementwise, kParts},
      {"Sin", "", prepare_elementwise, kParts},
      {"Sinh", "", prepare_elementwise, kParts},
      {"Softplus", "", prepare_elementwise, kParts},
      {"Softsign", "", prepare_elementwise, kParts},
      {"Sum", "", prepare_elementwise, kParts},
      {"Tan", "", prepare_elementwise, kParts},
      {"ThresholdedRelu", "", prepare_elementwise, kParts},
      {"Where", "", prepare_elementwise, kParts},
      {"Xor", "", prepare_elementwise, kParts},
      {"TopK", "", prepare_rows, kRows},
      {"CumSum", "", prepare_rows, kRows},
      {"CumProd", "", prepare_rows, kRows},
      {"Trilu", "", prepare_rows, kRows},
      {"Hardmax", "", prepare_rows, kRows},
      {"LpNormalization", "", prepare_rows, kRows},
      {"ArgMin", "", prepare_rows, kRows},
      {"ReduceL1", "", prepare_rows, kRows},
      {"ReduceL2", "", prepare_rows, kRows},
      {"ReduceLogSum", "", prepare_rows, kRows},
      {"ReduceLogSumExp", "", prepare_rows, kRows},
      {"ReduceMin", "", prepare_rows, kRows},
      {"ReduceProd", "", prepare_rows, kRows},
      {"ReduceSumSquare", "", prepare_rows, kRows},
      {"GridSample", "", prepare_grid_sample, "floats, in parts of samples and channels"},
      {"Attention", "", prepare_attention, "floats, in parts of samples and heads"},
      {"Pad", "", prepare_pad, "all types, pads that are constants or follow from shapes"},
      {"Tile", "", prepare_tile, kAll},
      {"DepthToSpace", "", prepare_depth_space, kAll},
      {"SpaceToDepth", "", prepare_depth_space, kAll},
      {"Resize", "", prepare_resize, kResize},
      {"Upsample", "", prepare_resize, kResize},
      {"InstanceNormalization", "", prepare_group_norm, kFloat},
      {"GroupNormalization", "", prepare_group_norm, kFloat},
      {"RMSNormalization", "", prepare_rms_norm, "float32, a scale for each element"},
      {"BatchNormalization", "", prepare_batch_norm, kFloat},
      {"GatherElements", "", prepare_elements, kAll},
      {"ScatterElements", "", prepare_elements, kScattered},
      {"Scatter", "", prepare_elements, kScattered},
      {"ScatterND", "", prepare_scatter_nd, kScattered},
      {"Einsum", "", prepare_einsum, "float32, two operands that are a product of matrices"},
  };
  return all;
}

std::vector<FastOperator> fast_operators() {
  std::vector<FastOperator> all;
  for (const Family& family : families()) all.push_back({family.op, family.domain, family.condition});
  for (const char* view : {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
    all.push_back({view, "", kView});
  return all;
}

}  // namespace edgeclip::engine
