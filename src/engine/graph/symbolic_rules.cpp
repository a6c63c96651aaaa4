#include "engine/graph/symbolic_rules.h"

#include <map>

#include "engine/ops/convert.h"
#include "engine/ops/support.h"

/// Which operator has which rule, and what the rules share.
namespace edgeclip::engine {

namespace {

using Type = std::optional<DType>;

template <std::size_t kInput>
Type type_of(const SymbolicNode& n, std::size_t) {
  return n.has(kInput) ? n.inputs[kInput]->dtype : Type();
}

template <DType kType>
Type always(const SymbolicNode&, std::size_t) {
  return kType;
}

/// The first output as input 0, the others of another type.
template <DType kOthers>
Type first_then(const SymbolicNode& n, std::size_t output) {
  return output == 0 ? type_of<0>(n, 0) : Type(kOthers);
}

/// Of arithmetic: both inputs have one type.
Type type_of_either(const SymbolicNode& n, std::size_t) {
  for (const SymbolicValue* input : n.inputs)
    if (input && input->dtype) return input->dtype;
  return {};
}

Type type_of_attribute(const char* name, const SymbolicNode& n, Type otherwise) {
  return n.node.has(name) && n.node.int_or(name, 0) != 0 ? onnx_dtype(n.node.int_or(name, 0)) : otherwise;
}

Type type_of_cast(const SymbolicNode& n, std::size_t) { return type_of_attribute("to", n, {}); }
Type type_of_eye(const SymbolicNode& n, std::size_t) {
  return type_of_attribute("dtype", n, type_of<0>(n, 0));
}
Type type_of_quantized(const SymbolicNode& n, std::size_t) {
  return n.has(2) ? n.inputs[2]->dtype : type_of_attribute("output_dtype", n, DType::u8);
}
/// Of QuantMatMul and QuantConv (ops/output_quantization.h).
Type type_of_out(const SymbolicNode& n, std::size_t) {
  const std::string type = n.node.string_or("out_type", "");
  return type == "uint8" ? DType::u8 : type == "int8" ? DType::i8 : DType::f32;
}
Type type_of_quantized_rows(const SymbolicNode&, std::size_t output) {
  return output == 0 ? DType::i8 : DType::f32;
}
Type type_of_affine_rows(const SymbolicNode&, std::size_t output) {
  return output == 0 ? DType::u8 : output == 1 ? DType::f32 : DType::i32;
}
Type type_of_dynamic_quantized(const SymbolicNode&, std::size_t output) {
  return output == 1 ? DType::f32 : DType::u8;
}
Type type_of_filled(const SymbolicNode& n, std::size_t) {
  const auto it = n.node.attributes.find("value");
  return it == n.node.attributes.end() ? DType::f32 : std::get<Tensor>(it->second).dtype();
}

using Table = std::map<std::string, SymbolicRule>;

void add(Table& table, std::initializer_list<const char*> names, SymbolicRule rule) {
  for (const char* name : names) table.emplace(name, rule);
}

void add_same_shape(Table& t) {
  add(t,
      {"Abs",
       "Acos",
       "Acosh",
       "Asin",
       "Asinh",
       "Atan",
       "Atanh",
       "Ceil",
       "Celu",
       "Cos",
       "Cosh",
       "Elu",
       "Erf",
       "Exp",
       "Floor",
       "Gelu",
       "HardSigmoid",
       "HardSwish",
       "LeakyRelu",
       "Log",
       "Mish",
       "Neg",
       "Not",
       "Reciprocal",
       "Relu",
       "Round",
       "Selu",
       "Shrink",
       "Sigmoid",
       "Sign",
       "Sin",
       "Sinh",
       "Softplus",
       "Softsign",
       "Sqrt",
       "Swish",
       "Tan",
       "Tanh",
       "ThresholdedRelu",
       "BitwiseNot",
       "PRelu",
       "Clip",
       "Identity",
       "Softmax",
       "LogSoftmax",
       "Hardmax",
       "BatchNormalization",
       "InstanceNormalization",
       "GroupNormalization",
       "LpNormalization",
       "MeanVarianceNormalization",
       "LRN",
       "RMSNormalization",
       "CumSum",
       "CumProd",
       "Trilu",
       "ReverseSequence",
       "RotaryEmbedding",
       "Scatter",
       "ScatterElements",
       "ScatterND",
       "TensorScatter",
       "edgeclip.Gelu",
       "edgeclip.QuickGelu",
       "edgeclip.L2Normalize",
       "edgeclip.MaskedSoftmax"},
      {type_of<0>, same_shape});
  add(t, {"Dropout"}, {first_then<DType::boolean>, shape_dropout});
  add(t, {"LayerNormalization"}, {first_then<DType::f32>, shape_layer_norm});
  add(t, {"IsNaN", "IsInf"}, {always<DType::boolean>, same_shape});
  add(t, {"Cast"}, {type_of_cast, same_shape});
  add(t, {"CastLike"}, {type_of<1>, same_shape});
  add(t, {"EyeLike"}, {type_of_eye, same_shape});
  add(t, {"QuantizeLinear"}, {type_of_quantized, same_shape});
  add(t, {"DequantizeLinear"}, {always<DType::f32>, same_shape});
  add(t, {"edgeclip.QuantizeRows"}, {type_of_quantized_rows, shape_quantize_rows});
  add(t, {"edgeclip.AffineQuantizeRows"}, {type_of_affine_rows, shape_affine_quantize_rows});
  add(t, {"edgeclip.LayerNormQuantizeRows"}, {type_of_quantized_rows, shape_layer_norm_quantize});
  add(t, {"DynamicQuantizeLinear"}, {type_of_dynamic_quantized, shape_dynamic_quantize});
}

void add_elementwise(Table& t) {
  add(t,
      {"Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Sum", "Mean", "BitwiseAnd", "BitwiseOr",
       "BitwiseXor", "BitShift"},
      {type_of_either, shape_elementwise});
  add(t, {"Pow"}, {type_of<0>, shape_elementwise});
  add(t, {"Where"}, {type_of<1>, shape_elementwise});
  add(t, {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor"},
      {always<DType::boolean>, shape_elementwise});
}

void add_shapes_and_movement(Table& t) {
  add(t, {"Shape"}, {always<DType::i64>, shape_shape});
  add(t, {"Size"}, {always<DType::i64>, shape_scalar});
  add(t, {"Reshape"}, {type_of<0>, shape_reshape});
  add(t, {"Flatten"}, {type_of<0>, shape_flatten});
  add(t, {"Squeeze"}, {type_of<0>, shape_squeeze});
  add(t, {"Unsqueeze"}, {type_of<0>, shape_unsqueeze});
  add(t, {"ConstantOfShape"}, {type_of_filled, shape_constant_of_shape});
  add(t, {"Range"}, {type_of_either, shape_range});
  add(t, {"Expand"}, {type_of<0>, shape_expand});
  add(t, {"Tile"}, {type_of<0>, shape_tile});
  add(t, {"Transpose"}, {type_of<0>, shape_transpose});
  add(t, {"Concat"}, {type_of_either, shape_concat});
  add(t, {"edgeclip.ChannelAffine"}, {type_of<0>, shape_channels_in_parts<3>});
  add(t, {"edgeclip.ChannelShuffle"}, {type_of<0>, shape_channels_in_parts<1>});
  add(t, {"Split"}, {type_of<0>, shape_split});
  add(t, {"Slice"}, {type_of<0>, shape_slice});
  add(t, {"Pad"}, {type_of<0>, shape_pad});
  add(t, {"Gather"}, {type_of<0>, shape_gather});
  add(t, {"edgeclip.QuantGather"}, {always<DType::f32>, shape_quant_gather});
  add(t, {"GatherElements"}, {type_of<0>, shape_gather_elements});
  add(t, {"GatherND"}, {type_of<0>, shape_gather_nd});
  add(t, {"OneHot"}, {type_of<2>, shape_one_hot});
  add(t, {"TopK"}, {first_then<DType::i64>, shape_topk});
  add(t, {"DepthToSpace"}, {type_of<0>, shape_depth_to_space});
  add(t, {"SpaceToDepth"}, {type_of<0>, shape_space_to_depth});
}

void add_planes(Table& t) {
  add(t, {"Conv", "edgeclip.FusedConv"}, {type_of<0>, shape_conv});
  add(t, {"edgeclip.QuantConv"}, {type_of_out, shape_conv});
  add(t, {"ConvInteger"}, {always<DType::i32>, shape_conv});
  add(t, {"QLinearConv"}, {type_of<7>, shape_conv});
  add(t, {"ConvTranspose"}, {type_of<0>, shape_conv_transpose});
  add(t, {"MaxPool", "AveragePool", "LpPool"}, {first_then<DType::i64>, shape_pool});
  add(t, {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}, {type_of<0>, shape_global_pool});
  add(t, {"Resize", "Upsample"}, {type_of<0>, shape_resize});
  add(t, {"GridSample"}, {type_of<0>, shape_grid_sample});
  add(t, {"AffineGrid"}, {type_of<0>, shape_affine_grid});
}

void add_products(Table& t) {
  add(t, {"MatMul", "edgeclip.FusedMatMul"}, {type_of<0>, shape_matmul});
  add(t, {"MatMulInteger"}, {always<DType::i32>, shape_matmul});
  add(t, {"QLinearMatMul"}, {type_of<7>, shape_matmul});
  add(t, {"edgeclip.QuantMatMul"}, {type_of_out, shape_matmul});
  add(t, {"Gemm"}, {type_of<0>, shape_gemm});
  add(t, {"Attention"}, {type_of<0>, shape_attention});
  add(t, {"edgeclip.FusedAttention"}, {type_of<0>, shape_fused_attention});
  add(t, {"edgeclip.TokenMerge"}, {type_of<0>, shape_token_merge});
  add(t, {"Einsum"}, {type_of<0>, shape_einsum});
  add(t,
      {"ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceProd",
       "ReduceMax", "ReduceMin", "ReduceLogSumExp"},
      {type_of<0>, shape_reduce});
  add(t, {"ArgMax", "ArgMin"}, {always<DType::i64>, shape_arg});
}

Table make_table() {
  Table table;
  add_same_shape(table);
  add_elementwise(table);
  add_shapes_and_movement(table);
  add_planes(table);
  add_products(table);
  return table;
}

}  // namespace

const SymbolicRule* find_symbolic_rule(const Node& node) {
  static const Table table = make_table();
  const auto it = table.find(node.domain.empty() ? node.op : node.domain + "." + node.op);
  return it == table.end() ? nullptr : &it->second;
}

std::optional<Shape> SymbolicValue::concrete() const {
  if (!shape) return {};
  Shape sizes;
  for (const SymbolicDim& dim : *shape) {
    const auto size = dim.constant();
    if (!size) return {};
    sizes.push_back(*size);
  }
  return sizes;
}

std::optional<std::vector<SymbolicDim>> SymbolicValue::known_elements() const {
  if (elements || !data) return elements;
  if (data->elements() > kSmallValue) return {};
  std::vector<SymbolicDim> result;
  for (std::int64_t i = 0; i < data->elements(); ++i) {
    if (data->dtype() == DType::i64)
      result.emplace_back(data->data<std::int64_t>()[i]);
    else if (data->dtype() == DType::i32)
      result.emplace_back(data->data<std::int32_t>()[i]);
    else if (data->dtype() == DType::boolean)
      result.emplace_back(data->data<bool>()[i] ? 1 : 0);
    else
      return {};
  }
  return result;
}

std::optional<std::size_t> SymbolicNode::length(std::size_t i) const {
  if (!has(i) || !inputs[i]->shape || rank(i) != 1) return {};
  const auto count = dims(i)[0].constant();
  return count && *count >= 0 && *count <= kSmallValue ? std::optional<std::size_t>(*count) : std::nullopt;
}

std::optional<std::vector<SymbolicDim>> SymbolicNode::ints(const char* name, std::size_t i,
                                                           const std::vector<SymbolicDim>& otherwise) const {
  if (node.has(name)) {
    const auto values = node.ints_or(name, {});
    return std::vector<SymbolicDim>(values.begin(), values.end());
  }
  if (!has(i)) return otherwise;
  if (auto known = inputs[i]->known_elements()) return known;
  if (const auto count = length(i)) return std::vector<SymbolicDim>(*count, SymbolicDim::unknown());
  return {};
}

std::optional<std::vector<std::int64_t>> SymbolicNode::constants(
    const char* name, std::size_t i, const std::vector<std::int64_t>& otherwise) const {
  const auto known = ints(name, i, {otherwise.begin(), otherwise.end()});
  if (!known) return {};
  std::vector<std::int64_t> result;
  for (const SymbolicDim& element : *known) {
    const auto value = element.constant();
    if (!value) return {};
    result.push_back(*value);
  }
  return result;
}

}  // namespace edgeclip::engine
