#include "engine/cpu/cpu_node.h"
#include "engine/cpu/fast_operators.h"

namespace edgeclip::engine {

namespace {

constexpr const char* kFloat = "float32";
constexpr const char* kAll = "all types";
constexpr const char* kOneSide = "float32, one side of the output's shape";
constexpr const char* kLeft = "float32, the left side of the output's shape";
constexpr const char* kWeights = "float32; constant weights also float16, bfloat16";
constexpr const char* kReduced = "float32, constant neighbouring axes";
constexpr const char* kAllConstant = "all but the activations constant, weights that fit int8 less their zero points";
constexpr const char* kExactWeights =
    "constant weights that fit int8 less their zero points, of 7 bits on a CPU without VNNI; one zero point of the activations";
constexpr const char* kView = "all types: no copy, a view";

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"FusedMatMul", "edgeclip", prepare_fused_matmul, kWeights},
      {"QuantMatMul", "edgeclip", prepare_quant_matmul, "constant weights, scales and bias; a residual of the result's shape"},
      {"QuantConv", "edgeclip", prepare_quant_conv, "constant weights, scales and bias"},
      {"QuantizeRows", "edgeclip", prepare_quantize_rows, kFloat},
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
      {"LayerNormalization", "", prepare_layer_norm, "float32, last axis, one output"},
      {"L2Normalize", "edgeclip", prepare_l2_normalize, "float32, last axis"},
      {"Softmax", "", prepare_softmax, "float32; before opset 13 the last axis"},
      {"LogSoftmax", "", prepare_softmax, "float32; before opset 13 the last axis"},
      {"Add", "", prepare_binary, kOneSide},
      {"Mul", "", prepare_binary, kOneSide},
      {"Max", "", prepare_binary, "two inputs, float32, one of the output's shape"},
      {"Min", "", prepare_binary, "two inputs, float32, one of the output's shape"},
      {"Sub", "", prepare_binary, kLeft},
      {"Div", "", prepare_binary, kLeft},
      {"Relu", "", prepare_eltwise, "float32, int8"},
      {"LeakyRelu", "", prepare_eltwise, kFloat},
      {"Elu", "", prepare_eltwise, kFloat},
      {"Sigmoid", "", prepare_eltwise, kFloat},
      {"Swish", "", prepare_eltwise, kFloat},
      {"HardSwish", "", prepare_eltwise, kFloat},
      {"Tanh", "", prepare_eltwise, kFloat},
      {"Exp", "", prepare_eltwise, kFloat},
      {"Log", "", prepare_eltwise, kFloat},
      {"Sqrt", "", prepare_eltwise, kFloat},
      {"Abs", "", prepare_eltwise, kFloat},
      {"Neg", "", prepare_eltwise, kFloat},
      {"Clip", "", prepare_eltwise, "float32, constant bounds"},
      {"Gelu", "", prepare_eltwise, kFloat},
      {"Gelu", "edgeclip", prepare_eltwise, kFloat},
      {"QuickGelu", "edgeclip", prepare_eltwise, kFloat},
      {"Transpose", "", prepare_transpose, "types of 1 and 4 bytes, up to 6 dimensions"},
      {"Concat", "", prepare_concat, kAll},
      {"Split", "", prepare_split, kAll},
      {"Slice", "", prepare_slice, "all types, bounds that are constants or follow from shapes"},
      {"Expand", "", prepare_expand, kAll},
      {"ChannelShuffle", "edgeclip", prepare_channel_shuffle, kAll},
      {"ChannelAffine", "edgeclip", prepare_channel_affine, kFloat},
      {"Gather", "", prepare_gather, kAll},
      {"QuantGather", "edgeclip", prepare_quant_gather, kAll},
      {"GatherND", "", prepare_gather_nd, kAll},
      {"Equal", "", prepare_equal, "int32, int64, float32; equal shapes or one element on a side"},
      {"ArgMax", "", prepare_argmax, "int32, int64, float32, without select_last_index"},
      {"Cast", "", prepare_cast,
       "float32 from and to 16-bit floats, bool, int32 and int64 to float32, int32 and int64; to its own type: a view"},
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
