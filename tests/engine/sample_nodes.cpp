#include "engine/sample_nodes.h"

#include <cmath>
#include <sstream>

#include "base/float16.h"
#include "engine/node_support.h"
#include "engine/ops/convert.h"

namespace edgeclip::engine::test {

namespace {

/// operator attribute=value... | input... [> number of outputs].  An input is type:shape[=values], of type T
/// or f32, i64, ..., or "-" if it is left out.
constexpr const char* kSamples[] = {
    "AffineGrid | T:1,2,3 i64:4=1,1,2,2",
    "Attention | T:1,2,3,4 T:1,1,2,4 T:1,1,2,4 T:3,2 > 4",
    "Attention is_causal=1 softmax_precision=1 | T:1,2,3,4 T:1,1,2,4 T:1,1,2,4",
    "AveragePool kernel_shape=2,2 | T:1,2,3,3",
    "BatchNormalization | T:2,2,2 T:2 T:2 T:2 T:2=1,2",
    "BitShift direction=LEFT | T:3 T:3",
    "BitwiseAnd | T:3 T:3",
    "BitwiseNot | T:3",
    "BitwiseOr | T:3 T:3",
    "BitwiseXor | T:3 T:3",
    "Cast to=1 | T:3",
    "Cast to=10 | T:3",
    "Cast to=16 | T:3",
    "Cast to=7 | T:3",
    "CastLike | T:3 f32:1",
    "Clip | T:6 T:=1 T:=2",
    "Compress axis=0 | T:3,2 bool:3=1,0,1",
    "Concat axis=0 | T:2,2 T:1,2",
    "ConstantOfShape | T:2=2,3",
    "Conv | T:1,2,3,3 T:2,2,2,2 T:2",
    "ConvInteger | T:1,1,3,3 T:1,1,2,2",
    "ConvTranspose | T:1,2,2,2 T:2,1,2,2 T:1",
    "CumProd | T:2,3 i64:=1",
    "CumSum | T:2,3 i64:=1",
    "DepthToSpace blocksize=2 | T:1,4,1,2",
    "DequantizeLinear | T:2,3 f32:=0.5",
    "Det | T:2,2,2",
    "Dropout | T:2,2",
    "DynamicQuantizeLinear | T:4 > 3",
    "Einsum equation=ij,jk->ik | T:2,3 T:3,2",
    "Expand | T:1,2 i64:2=3,2",
    "EyeLike | T:2,3",
    "Flatten | T:2,2,2",
    "Gather axis=1 | T:2,3 i64:2=2,0",
    "GatherElements axis=1 | T:2,3 i64:2,1=2,0",
    "GatherND | T:2,3 i64:1,2=1,2",
    "Gemm alpha=0.5 transB=1 | T:2,3 T:2,3 T:2",
    "GlobalAveragePool | T:1,2,3",
    "GlobalLpPool | T:1,2,3",
    "GlobalMaxPool | T:1,2,3",
    "GridSample | T:1,1,3,3 T:1,2,2,2",
    "GroupNormalization num_groups=2 | T:1,4,2 T:4 T:4",
    "InstanceNormalization | T:1,2,3 T:2 T:2",
    "LRN size=3 | T:1,4,2",
    "LayerNormalization | T:2,4 T:4 T:4 > 3",
    "LpPool kernel_shape=2 | T:1,1,4",
    "MatMul | T:2,2,3 T:3,2",
    "MatMulInteger | T:2,3 T:3,2",
    "Max | T:2,2 T:2 T:1",
    "MaxPool kernel_shape=2,2 | T:1,1,3,3 > 2",
    "Mean | T:2,2 T:2 T:1",
    "MeanVarianceNormalization | T:2,2,2,2",
    "Min | T:2,2 T:2 T:1",
    "Mod fmod=1 | T:4 T:4=3,2,3,2",
    "OneHot | i64:3=0,2,-1 i64:=3 T:2",
    "PRelu | T:2,3 T:3",
    "Pad | T:2,2 i64:4=1,0,0,1 T:=7",
    "Pow | T:4 T:4=2,3,1,2",
    "Pow | T:4 i64:4=2,3,1,2",
    "QLinearConv | T:1,1,3,3 f32:=0.5 T:=1 i8:1,1,2,2 f32:=0.5 i8:=0 f32:=0.25 u8:=3",
    "QLinearMatMul | T:2,3 f32:=0.5 T:=1 i8:3,2 f32:=0.5 i8:=0 f32:=0.25 u8:=3",
    "QuantizeLinear | T:2,3 f32:=0.5 i8:=3",
    "RMSNormalization | T:2,4 T:4",
    "Range | T:=1 T:=6 T:=2",
    "ReduceL1 | T:2,3 i64:1=1",
    "ReduceL2 | T:2,3 i64:1=1",
    "ReduceLogSum | T:2,3 i64:1=1",
    "ReduceLogSumExp | T:2,3 i64:1=1",
    "ReduceMax | T:2,3 i64:1=1",
    "ReduceMean | T:2,3 i64:1=1",
    "ReduceMin | T:2,3 i64:1=1",
    "ReduceProd | T:2,3 i64:1=1",
    "ReduceSum | T:2,3 i64:1=1",
    "ReduceSumSquare | T:2,3 i64:1=1",
    "Reshape | T:2,3 i64:2=3,2",
    "Resize mode=linear | T:1,1,2,2 - f32:4=1,1,2,1.5",
    "Resize | T:1,1,2,2 - - i64:4=1,1,3,3",
    "ReverseSequence | T:3,2,2 i64:2=3,2",
    "RotaryEmbedding | T:1,2,3,4 T:1,3,2 T:1,3,2",
    "Scatter | T:2,3 i64:1,2=1,0 T:1,2",
    "ScatterElements reduction=add | T:2,3 i64:1,2=1,0 T:1,2",
    "ScatterElements | T:2,3 i64:1,2=1,0 T:1,2",
    "ScatterND reduction=max | T:3,2 i64:1,1=1 T:1,2",
    "ScatterND | T:3,2 i64:1,1=1 T:1,2",
    "Shape | T:2,3",
    "Size | T:2,3",
    "Slice | T:4,2 i64:1=1 i64:1=3",
    "SpaceToDepth blocksize=2 | T:1,1,2,4",
    "Split num_outputs=2 | T:4,2 > 2",
    "Squeeze | T:1,2",
    "Sum | T:2,2 T:2 T:1",
    "TensorScatter | T:1,3,2 T:1,1,2 i64:1=1",
    "Tile | T:2,2 i64:2=1,2",
    "TopK | T:2,3 i64:1=2 > 2",
    "Transpose | T:2,3",
    "Trilu | T:3,3",
    "Unsqueeze | T:2 i64:1=0",
    "Upsample | T:1,1,2,2 f32:4=1,1,2,2",
    "Where | bool:2,2=1,0,0,1 T:2,2 T:2",
    "edgeclip.ChannelAffine activation=relu | T:1,2,3 T:2 T:2",
    "edgeclip.ChannelAffine | T:1,2,3 T:5 T:5 T:1,1,3 T:1,2,3",
    "edgeclip.ChannelShuffle group=2 | T:1,4,2",
    "edgeclip.ChannelShuffle group=2 | T:2,3,2 T:2,1,2",
    "edgeclip.FusedAttention num_heads=2 scale=0.5 | T:1,2,4 T:1,3,4 T:1,3,4 T:2,3",
    "edgeclip.FusedAttention num_heads=2 causal=1 safe=2 | T:1,3,12",
    "edgeclip.FusedConv activation=relu | T:1,2,3,3 T:2,2,2,2 T:2 T:1,2,2,2",
    "edgeclip.FusedMatMul activation=gelu | T:2,3 T:3,2 T:2 T:2,2",
    "edgeclip.L2Normalize | T:2,3",
    "edgeclip.MaskedSoftmax safe=1 | T:2,2,3 T:2,1,3",
    "edgeclip.MaskedSoftmax | T:2,3",
    "edgeclip.TokenMerge num_heads=2 count=1 | T:2,5,3 T:2,5,4 T:2,5,1 > 2",
    "edgeclip.QuantConv x_scale=0.5 x_zero_point=3 activation=relu | T:1,2,3,3 i8:2,2,2,2 f32:2 f32:2",
    "edgeclip.QuantGather | i8:3,2 f32:3 i64:2=2,0",
    "edgeclip.QuantMatMul a_scale=0.5 a_zero_point=3 | T:2,3 i8:3,2 f32:2",
    "edgeclip.QuantMatMul a_scale=1 a_zero_point=0 out_type=int8 out_scale=0.5 | T:2,3 i8:3,2 f32:2 - - f32:2,1",
    "edgeclip.QuantMatMul a_scale=1 a_zero_point=0 | T:2,3 i8:3,2 f32:2 - - f32:2,1 i32:2,1",
    "edgeclip.QuantizeRows | T:2,3 > 2",
    "edgeclip.AffineQuantizeRows | T:2,3 > 3",
    "edgeclip.LayerNormQuantizeRows | T:2,3 T:3 T:3 > 3",
};

/// Operators of one input, or of two that broadcast, without attributes that must be there.
constexpr const char* kUnary =
    "Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu "
    "HardSigmoid "
    "HardSwish Hardmax Identity IsInf IsNaN LeakyRelu Log LogSoftmax LpNormalization Mish Neg Not Reciprocal "
    "Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh "
    "ThresholdedRelu edgeclip.Gelu edgeclip.QuickGelu";
constexpr const char* kBinary = "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Mul Or Sub Xor";

const Operator* newest(const std::string& domain, const std::string& name) {
  const Operator* found = nullptr;
  for (const Operator& row : operators())
    if (name == row.name && domain == row.domain && (!found || row.max_opset > found->max_opset))
      found = &row;
  EDGECLIP_CHECK(found, "no operator {}", name);
  return found;
}

std::vector<double> numbers(const std::string& text) {
  std::vector<double> values;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) values.push_back(std::stod(part));
  return values;
}

Attribute attribute_of(const Operator& row, const std::string& name, const std::string& text) {
  for (const AttributeRule& rule : attribute_rules(row)) {
    if (rule.name != name) continue;
    if (rule.letter == 'i') return static_cast<std::int64_t>(std::stoll(text));
    if (rule.letter == 'f') return std::stof(text);
    if (rule.letter == 's') return text;
    if (rule.letter == 'I') {
      Ints values;
      for (const double v : numbers(text)) values.push_back(static_cast<std::int64_t>(v));
      return values;
    }
  }
  EDGECLIP_CHECK(false, "{} has no attribute {}", row.name, name);
}

SampleInput input_of(const std::string& word) {
  SampleInput input;
  if (word == "-") {
    input.left_out = true;
    return input;
  }
  const std::size_t colon = word.find(':'), equals = word.find('=');
  const std::string type = word.substr(0, colon);
  input.varies = type == "T";
  for (const auto& [name, dtype] :
       {std::pair{"f32", DType::f32}, std::pair{"i64", DType::i64}, std::pair{"i32", DType::i32}, std::pair{"i8", DType::i8},
        std::pair{"u8", DType::u8}, std::pair{"bool", DType::boolean}})
    if (type == name) input.dtype = dtype;
  for (const double d :
       numbers(word.substr(colon + 1, equals == std::string::npos ? equals : equals - colon - 1)))
    input.shape.push_back(static_cast<std::int64_t>(d));
  if (equals != std::string::npos) input.values = numbers(word.substr(equals + 1));
  return input;
}

Sample sample_of(const std::string& text) {
  Sample sample;
  Node& node = sample.node;
  std::istringstream words(text);
  std::string word;
  words >> word;
  const std::size_t dot = word.find('.');
  node.name = word;
  node.domain = dot == std::string::npos ? "" : word.substr(0, dot);
  node.op = dot == std::string::npos ? word : word.substr(dot + 1);
  sample.row = newest(node.domain, node.op);
  node.opset = sample.row->max_opset;
  int outputs = 1;
  for (words >> word; word != "|"; words >> word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    node.attributes[name] = attribute_of(*sample.row, name, word.substr(equals + 1));
  }
  while (words >> word) {
    if (word == ">")
      words >> outputs;
    else
      sample.inputs.push_back(input_of(word));
  }
  for (std::size_t i = 0; i < sample.inputs.size(); ++i)
    node.inputs.push_back(sample.inputs[i].left_out ? kNoValue : static_cast<ValueId>(i));
  for (int i = 0; i < outputs; ++i) node.outputs.push_back(100 + i);
  return sample;
}

Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<double>& values) {
  Tensor tensor(dtype, shape);
  const Node node;
  if (is_16_bit_float(dtype)) {
    const std::vector<float> floats(values.begin(), values.end());
    narrow(floats.data(), dtype, tensor.raw(), tensor.elements());
  } else {
    visit_number_or_bool(node, dtype, [&](auto type) {
      using T = decltype(type);
      for (std::size_t i = 0; i < values.size(); ++i) tensor.data<T>()[i] = convert<T>(values[i]);
    });
  }
  return tensor;
}

}  // namespace

std::vector<Tensor> Sample::tensors(DType dtype, bool fractions) const {
  std::vector<Tensor> result;
  std::int64_t k = 0;
  for (const SampleInput& input : inputs) {
    if (input.left_out) {
      result.emplace_back();
      continue;
    }
    std::vector<double> values = input.values;
    if (values.empty())
      for (std::int64_t i = 0; i < num_elements(input.shape); ++i, ++k)
        values.push_back(fractions && input.varies ? 0.37 * static_cast<double>(k * 5 % 9) - 1.1
                                                   : static_cast<double>(k * 5 % 7 % 4 + 1));
    result.push_back(tensor_of(input.varies ? dtype : input.dtype, input.shape, values));
  }
  return result;
}

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> result;
    for (const char* text : kSamples) result.push_back(sample_of(text));
    std::istringstream unary(kUnary), binary(kBinary);
    for (std::string op; unary >> op;) result.push_back(sample_of(op + " | T:2,3"));
    for (std::string op; binary >> op;) result.push_back(sample_of(op + " | T:2,3 T:3"));
    return result;
  }();
  return all;
}

std::vector<Tensor> run_sample(const Sample& sample, const std::vector<Tensor>& inputs) {
  check_node(sample.node);
  Inputs views;
  for (const Tensor& input : inputs) views.push_back(input.defined() ? input.view() : TensorView{});
  return evaluate_node(sample.node, views);
}

bool takes(const Sample& sample, DType dtype) {
  try {
    run_sample(sample, sample.tensors(dtype));
    return true;
  } catch (const InvalidInput&) {
    return false;
  }
}

}  // namespace edgeclip::engine::test
