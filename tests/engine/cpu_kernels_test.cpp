// Every kernel of the CPU backend against the reference kernel of its operator, on random data.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/rng.h"
#include "engine/cpu/onednn.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "support/support.h"

namespace edgeclip::engine {
namespace {

/// One node, the shapes of its inputs (an absent optional input: nothing) and how far the results may differ.
struct Case {
  std::string name, op, domain;
  std::vector<std::optional<Shape>> inputs;
  std::vector<std::size_t> constants;  ///< which inputs are constants
  std::map<std::string, Attribute> attributes;
  double tolerance = 0;  ///< absolute; results are of magnitude 1
  std::string implementation = "onednn:";
  DType dtype = DType::f32;
  int opset = 17;

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name << " within " << c.tolerance; }
};

Tensor random_tensor(DType dtype, const Shape& shape, Rng& rng) {
  Tensor t(dtype, shape);
  if (dtype == DType::f32)
    for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(rng.normal());
  else
    for (std::size_t i = 0; i < t.bytes(); ++i) t.raw()[i] = static_cast<std::byte>(rng.below(256));
  return t;
}

/// The node alone; inputs that are no constants are the graph's, named by their number.
Graph graph_of(Node node, const Inputs& inputs, const std::vector<std::size_t>& constants) {
  Graph graph;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    if (std::find(constants.begin(), constants.end(), i) != constants.end()) {
      Tensor tensor(inputs[i].dtype, inputs[i].shape);
      std::copy_n(inputs[i].data, inputs[i].bytes(), tensor.raw());
      node.inputs[i] = graph.add_constant("weights", std::move(tensor));
      continue;
    }
    Value value;
    value.name = std::to_string(i);
    value.dtype = inputs[i].dtype;
    value.shape = inputs[i].shape;
    node.inputs[i] = graph.add_value(std::move(value));
    graph.inputs.push_back(node.inputs[i]);
  }
  Value result;
  result.name = "y";
  node.outputs = {graph.add_value(std::move(result))};
  graph.outputs = node.outputs;
  graph.add_node(std::move(node));
  return graph;
}

std::string kernel_of(Context& context, const std::string& op, const std::vector<Shape>& shapes) {
  for (const Context::Layer& layer : context.layers(shapes))
    if (layer.op == op) return layer.kernel;
  return "";
}

class CpuKernels : public testing::TestWithParam<Case> {};

TEST_P(CpuKernels, AgreesWithReference) {
  const Case& c = GetParam();
  Rng rng(7);
  Node node;
  node.name = c.name;
  node.op = c.op;
  node.domain = c.domain;
  node.opset = c.domain.empty() ? c.opset : 1;
  node.attributes = c.attributes;
  node.outputs = {100};
  std::vector<Tensor> tensors;
  Inputs inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    node.inputs.push_back(c.inputs[i] ? static_cast<ValueId>(i) : kNoValue);
    tensors.push_back(c.inputs[i] ? random_tensor(c.dtype, *c.inputs[i], rng) : Tensor());
    inputs.push_back(c.inputs[i] ? tensors.back().view() : TensorView());
  }
  const Tensor expected = evaluate_node(node, inputs).at(0);

  Tensor given(expected.dtype(), expected.shape());
  if (expected.dtype() == DType::f32)
    for (std::int64_t i = 0; i < given.elements(); ++i)
      given.data<float>()[i] = NAN;  // whatever is not written shows
  Inputs known = inputs;
  for (std::size_t i = 0; i < known.size(); ++i)
    if (std::find(c.constants.begin(), c.constants.end(), i) == c.constants.end()) known[i].data = nullptr;
  const Session session(graph_of(node, inputs, c.constants), {});
  Context context(session);
  std::vector<TensorView> given_inputs;
  for (const ValueId id : session.graph().inputs)
    given_inputs.push_back(inputs[static_cast<std::size_t>(std::stoi(session.graph().value(id).name))]);
  std::vector<Shape> shapes;
  for (const TensorView& input : given_inputs) shapes.push_back(input.shape);
  const std::string kernel = kernel_of(context, c.op, shapes);
  EXPECT_EQ(kernel.rfind(c.implementation, 0), 0u) << kernel;
  for (int again = 0; again < 2; ++again) {  // nothing may be left over from the run before
    context.run(given_inputs, {{given.dtype(), given.shape(), given.raw()}});
    if (expected.dtype() != DType::f32) {
      EXPECT_EQ(std::memcmp(given.raw(), expected.raw(), expected.bytes()), 0);
      continue;
    }
    double worst = 0;
    for (std::int64_t i = 0; i < given.elements(); ++i) {
      const double d = std::fabs(static_cast<double>(given.data<float>()[i]) -
                                 static_cast<double>(expected.data<float>()[i]));
      worst = d > worst || std::isnan(d) ? d : worst;
    }
    EXPECT_LE(worst, c.tolerance) << kernel;
  }
}

using Ints = std::vector<std::int64_t>;

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

std::vector<Case> fused_matmul_cases() {
  std::vector<Case> cases;
  int number = 0;
  for (const Shape& leading : {Shape{1, 77}, Shape{3, 50}, Shape{8}, Shape{2, 3, 5}})
    for (const auto& [k, n] : {std::pair<std::int64_t, std::int64_t>{64, 256}, {33, 7}, {96, 48}})
      for (const char* activation : {"", "relu", "gelu", "quick_gelu"}) {
        Shape a = leading, y = leading;
        a.push_back(k);
        y.push_back(n);
        const bool bias = number % 3 != 0, residual = number % 2 == 1;
        std::optional<Shape> bias_shape, residual_shape;
        if (bias) bias_shape = Shape{n};
        if (residual) residual_shape = y;
        cases.push_back({"fused_" + std::to_string(number),
                         "FusedMatMul",
                         "edgeclip",
                         {a, Shape{k, n}, bias_shape, residual_shape},
                         {1, 2},
                         {{"activation", std::string(activation)}},
                         2e-5,
                         "gemm:"});
        if (number % 5 == 0) {  // weights that come from another node, which no pass makes
          cases.back().constants.clear();
          cases.back().implementation = "reference";
        }
        ++number;
      }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(FusedMatMul, CpuKernels, testing::ValuesIn(fused_matmul_cases()), case_name);

INSTANTIATE_TEST_SUITE_P(
    MatMul, CpuKernels,
    testing::Values(
        Case{"matrix", "MatMul", "", {Shape{5, 33}, Shape{33, 9}}, {1}, {}, 2e-5},
        Case{"attention_scores", "MatMul", "", {Shape{3, 4, 17, 16}, Shape{3, 4, 16, 17}}, {}, {}, 2e-5},
        Case{"attention_values", "MatMul", "", {Shape{8, 2, 5, 5}, Shape{8, 2, 5, 16}}, {}, {}, 2e-5},
        Case{"flattened", "MatMul", "", {Shape{3, 7, 33}, Shape{33, 9}}, {1}, {}, 2e-5},
        Case{"one_for_all", "MatMul", "", {Shape{7, 33}, Shape{3, 33, 9}}, {}, {}, 2e-5},
        Case{"both_broadcast", "MatMul", "", {Shape{3, 1, 7, 8}, Shape{1, 4, 8, 9}}, {}, {}, 2e-5},
        Case{"constant_batch", "MatMul", "", {Shape{3, 7, 8}, Shape{3, 8, 9}}, {1}, {}, 2e-5},
        Case{"row", "MatMul", "", {Shape{33}, Shape{33, 9}}, {1}, {}, 2e-5},
        Case{"column", "MatMul", "", {Shape{3, 5, 33}, Shape{33}}, {}, {}, 2e-5},
        Case{"row_by_batch", "MatMul", "", {Shape{8}, Shape{3, 8, 9}}, {}, {}, 2e-5},
        Case{"empty_batch", "MatMul", "", {Shape{0, 7, 33}, Shape{33, 9}}, {1}, {}, 0, "reference"},
        Case{"empty_sum", "MatMul", "", {Shape{2, 0}, Shape{0, 9}}, {}, {}, 0, "reference"},
        Case{"gemm", "Gemm", "", {Shape{5, 33}, Shape{33, 9}, Shape{9}}, {1, 2}, {}, 2e-5},
        Case{"gemm_no_c", "Gemm", "", {Shape{5, 33}, Shape{33, 9}}, {1}, {}, 2e-5},
        Case{"gemm_trans_b",
             "Gemm",
             "",
             {Shape{5, 33}, Shape{9, 33}, Shape{1, 9}},
             {1, 2},
             {{"transB", std::int64_t{1}}},
             2e-5},
        Case{"gemm_trans_a_alpha",
             "Gemm",
             "",
             {Shape{33, 5}, Shape{33, 9}, Shape{5, 9}},
             {},
             {{"transA", std::int64_t{1}}, {"alpha", 0.5f}},
             2e-5},
        Case{"gemm_column", "Gemm", "", {Shape{5, 33}, Shape{33, 9}, Shape{5, 1}}, {}, {}, 2e-5},
        Case{"gemm_scalar", "Gemm", "", {Shape{5, 33}, Shape{33, 9}, Shape{}}, {}, {}, 2e-5},
        Case{"gemm_beta",
             "Gemm",
             "",
             {Shape{5, 33}, Shape{33, 9}, Shape{9}},
             {},
             {{"beta", 0.5f}},
             2e-5,
             "reference"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Conv, CpuKernels,
    testing::Values(
        Case{"patches",
             "Conv",
             "",
             {Shape{3, 3, 32, 16}, Shape{24, 3, 8, 8}},
             {1},
             {{"strides", Ints{8, 8}}, {"kernel_shape", Ints{8, 8}}},
             1e-4},
        Case{"patches_left_over",
             "Conv",
             "",
             {Shape{1, 3, 35, 17}, Shape{24, 3, 8, 8}, Shape{24}},
             {1, 2},
             {{"strides", Ints{8, 8}}},
             1e-4},
        Case{"padded",
             "Conv",
             "",
             {Shape{8, 4, 9, 7}, Shape{6, 4, 3, 3}, Shape{6}},
             {1, 2},
             {{"pads", Ints{1, 1, 1, 1}}},
             2e-5},
        Case{"uneven_padding",
             "Conv",
             "",
             {Shape{2, 4, 9, 7}, Shape{6, 4, 3, 3}},
             {1},
             {{"pads", Ints{0, 1, 2, 0}}, {"strides", Ints{2, 1}}},
             2e-5},
        Case{"dilated_grouped",
             "Conv",
             "",
             {Shape{2, 4, 9, 9}, Shape{6, 2, 3, 3}},
             {1},
             {{"dilations", Ints{2, 2}}, {"group", std::int64_t{2}}},
             2e-5},
        Case{"same_upper",
             "Conv",
             "",
             {Shape{2, 4, 9, 8}, Shape{6, 4, 3, 2}},
             {1},
             {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}},
             2e-5},
        Case{"same_lower",
             "Conv",
             "",
             {Shape{2, 4, 9, 8}, Shape{6, 4, 4, 2}},
             {1},
             {{"auto_pad", std::string("SAME_LOWER")}},
             2e-5},
        Case{"one_dimension",
             "Conv",
             "",
             {Shape{2, 4, 19}, Shape{6, 4, 3}, Shape{6}},
             {1, 2},
             {{"pads", Ints{1, 1}}},
             2e-5},
        Case{"three_dimensions",
             "Conv",
             "",
             {Shape{1, 4, 5, 9, 8}, Shape{6, 4, 3, 3, 3}, Shape{6}},
             {1, 2},
             {{"pads", Ints{1, 1, 1, 1, 1, 1}}, {"strides", Ints{1, 2, 2}}},
             2e-5},
        Case{"depthwise",
             "Conv",
             "",
             {Shape{2, 32, 9, 8}, Shape{32, 1, 3, 3}, Shape{32}},
             {1, 2},
             {{"pads", Ints{1, 1, 1, 1}}, {"group", std::int64_t{32}}},
             2e-5},
        Case{"weights_not_constant", "Conv", "", {Shape{2, 4, 9, 8}, Shape{6, 4, 3, 3}}, {}, {}, 2e-5},
        Case{"no_images",
             "Conv",
             "",
             {Shape{0, 3, 32, 16}, Shape{24, 3, 8, 8}},
             {1},
             {{"strides", Ints{8, 8}}},
             0,
             "reference"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    ConvTranspose, CpuKernels,
    testing::Values(Case{"up", "ConvTranspose", "", {Shape{2, 6, 5, 4}, Shape{6, 4, 3, 3}, Shape{4}}, {1, 2},
                         {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 1}}}, 2e-5},
                    Case{"up_grouped", "ConvTranspose", "", {Shape{2, 6, 5, 4}, Shape{6, 4, 2, 2}}, {1},
                         {{"strides", Ints{2, 2}}, {"group", std::int64_t{2}}}, 2e-5},
                    Case{"up_one_dimension", "ConvTranspose", "", {Shape{2, 6, 5}, Shape{6, 4, 3}}, {1},
                         {{"dilations", Ints{2}}}, 2e-5},
                    Case{"up_same", "ConvTranspose", "", {Shape{2, 6, 5, 4}, Shape{6, 4, 3, 3}}, {1},
                         {{"auto_pad", std::string("SAME_UPPER")}}, 2e-5, "reference"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Pool, CpuKernels,
    testing::Values(
        Case{"max", "MaxPool", "", {Shape{2, 24, 9, 8}}, {},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, 0},
        Case{"max_ceil", "MaxPool", "", {Shape{2, 5, 10, 8}}, {},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t{1}}}, 0},
        Case{"max_dilated", "MaxPool", "", {Shape{2, 5, 10, 8}}, {},
             {{"kernel_shape", Ints{3, 2}}, {"dilations", Ints{2, 3}}}, 0},
        Case{"average", "AveragePool", "", {Shape{2, 5, 10, 8}}, {},
             {{"kernel_shape", Ints{3, 2}}, {"pads", Ints{1, 0, 1, 1}}}, 1e-6},
        Case{"average_counting", "AveragePool", "", {Shape{2, 5, 10, 8}}, {},
             {{"kernel_shape", Ints{3, 2}}, {"pads", Ints{1, 0, 1, 1}}, {"count_include_pad", std::int64_t{1}}}, 1e-6},
        Case{"average_ceil", "AveragePool", "", {Shape{2, 5, 10, 9}}, {},
             {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t{1}}, {"count_include_pad", std::int64_t{1}}},
             1e-6, "reference"},
        Case{"average_1d", "AveragePool", "", {Shape{2, 5, 10}}, {}, {{"kernel_shape", Ints{3}}}, 1e-6},
        Case{"max_3d", "MaxPool", "", {Shape{1, 5, 4, 6, 8}}, {}, {{"kernel_shape", Ints{2, 2, 2}}, {"strides", Ints{1, 2, 2}}}, 0},
        Case{"max_bytes", "MaxPool", "", {Shape{2, 24, 9, 8}}, {},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, 0, "onednn:", DType::u8},
        Case{"max_signed_bytes", "MaxPool", "", {Shape{1, 5, 6, 8}}, {}, {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{0, 1, 1, 0}}}, 0,
             "onednn:", DType::i8}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Rows, CpuKernels,
    testing::Values(
        Case{"norm",
             "LayerNormalization",
             "",
             {Shape{3, 50, 64}, Shape{64}, Shape{64}},
             {1, 2},
             {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}},
             5e-6,
             "simd:layer_norm"},
        Case{"norm_odd", "LayerNormalization", "", {Shape{1, 7, 33}, Shape{33}, Shape{33}}, {1, 2}, {}, 5e-6, "simd:layer_norm"},
        Case{"norm_no_bias",
             "LayerNormalization",
             "",
             {Shape{8, 48}, Shape{48}},
             {1},
             {{"axis", std::int64_t{1}}},
             5e-6,
             "simd:layer_norm"},
        Case{"norm_wide_axis",
             "LayerNormalization",
             "",
             {Shape{2, 3, 4}, Shape{3, 4}, Shape{3, 4}},
             {1, 2},
             {{"axis", std::int64_t{1}}},
             5e-6,
             "loop:parts"},
        Case{"softmax", "Softmax", "", {Shape{3, 4, 17, 17}}, {}, {{"axis", std::int64_t{-1}}}, 1e-6},
        Case{"softmax_old", "Softmax", "", {Shape{8, 5}}, {}, {}, 1e-6, "onednn:", DType::f32, 11},
        Case{"softmax_first",
             "Softmax",
             "",
             {Shape{8, 5}},
             {},
             {{"axis", std::int64_t{0}}},
             1e-6},
        Case{"softmax_middle", "Softmax", "", {Shape{2, 5, 3}}, {}, {{"axis", std::int64_t{1}}}, 1e-6},
        Case{"softmax_old_wide",
             "Softmax",
             "",
             {Shape{2, 5, 3}},
             {},
             {},
             1e-6,
             "reference",
             DType::f32,
             11},
        Case{"log_softmax", "LogSoftmax", "", {Shape{8, 5}}, {}, {}, 1e-5},
        Case{"masked", "MaskedSoftmax", "edgeclip", {Shape{3, 4, 17, 19}, Shape{3, 1, 17, 19}}, {}, {}, 1e-6},
        Case{"masked_columns", "MaskedSoftmax", "edgeclip", {Shape{3, 4, 70, 80}, Shape{80}}, {1}, {}, 1e-6},
        Case{"masked_rows", "MaskedSoftmax", "edgeclip", {Shape{3, 5, 7}, Shape{5, 1}}, {}, {}, 1e-6},
        Case{"masked_by_none", "MaskedSoftmax", "edgeclip", {Shape{3, 5, 7}}, {}, {{"safe", std::int64_t{1}}}, 1e-6},
        Case{"l2", "L2Normalize", "edgeclip", {Shape{8, 65}}, {}, {}, 1e-7, "loop:"},
        Case{"mean_last", "ReduceMean", "", {Shape{3, 7, 33}}, {}, {{"axes", Ints{-1}}}, 1e-6, "loop:"},
        Case{"mean_pixels", "ReduceMean", "", {Shape{3, 7, 5, 4}}, {}, {{"axes", Ints{3, 2}}}, 1e-6, "loop:"},
        Case{"max_middle", "ReduceMax", "", {Shape{3, 7, 80}}, {}, {{"axes", Ints{1}}}, 0, "loop:"},
        Case{"mean_apart", "ReduceMean", "", {Shape{3, 7, 5}}, {}, {{"axes", Ints{0, 2}}}, 1e-6, "reference"},
        Case{"mean_all", "ReduceMean", "", {Shape{3, 7, 50}}, {}, {}, 1e-6, "loop:"},
        Case{"global", "GlobalAveragePool", "", {Shape{3, 7, 5, 4}}, {}, {}, 1e-6, "loop:"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Elementwise, CpuKernels,
    testing::Values(Case{"add", "Add", "", {Shape{3, 7, 33}, Shape{3, 7, 33}}, {}, {}, 0},
                    Case{"add_bias", "Add", "", {Shape{3, 7, 33}, Shape{33}}, {1}, {}, 0},
                    Case{"add_bias_left", "Add", "", {Shape{33}, Shape{3, 7, 33}}, {0}, {}, 0},
                    Case{"add_positions", "Add", "", {Shape{3, 7, 33}, Shape{1, 7, 33}}, {1}, {}, 0},
                    Case{"add_mask", "Add", "", {Shape{3, 4, 7, 7}, Shape{3, 1, 1, 7}}, {}, {}, 0},
                    Case{"add_ones_in_front", "Add", "", {Shape{1, 7, 33}, Shape{7, 33}}, {}, {}, 0},
                    Case{"add_outer", "Add", "", {Shape{7, 1}, Shape{1, 9}}, {}, {}, 0, "loop:parts"},
                    Case{"add_scalar", "Add", "", {Shape{3, 5}, Shape{}}, {}, {}, 0},
                    Case{"add_scalars", "Add", "", {Shape{}, Shape{}}, {}, {}, 0},
                    Case{"add_rank_of_other", "Add", "", {Shape{1}, Shape{1, 1, 1}}, {}, {}, 0},
                    Case{"mul_scale", "Mul", "", {Shape{3, 7, 33}, Shape{}}, {1}, {}, 0},
                    Case{"mul_per_row", "Mul", "", {Shape{3, 7, 33}, Shape{3, 7, 1}}, {}, {}, 0},
                    Case{"sub", "Sub", "", {Shape{3, 7, 33}, Shape{7, 1}}, {}, {}, 0},
                    Case{"sub_from_scalar", "Sub", "", {Shape{}, Shape{3, 7}}, {}, {}, 0, "loop:parts"},
                    Case{"div", "Div", "", {Shape{3, 7}, Shape{3, 1}}, {}, {}, 1e-4},
                    Case{"add_nothing", "Add", "", {Shape{0, 7}, Shape{7}}, {}, {}, 0, "reference"},
                    Case{"add_int", "Add", "", {Shape{3, 7}, Shape{7}}, {}, {}, 0, "loop:parts", DType::i64},
                    Case{"relu", "Relu", "", {Shape{3, 7, 33}}, {}, {}, 0},
                    Case{"relu_bytes", "Relu", "", {Shape{3, 7, 33}}, {}, {}, 0, "onednn:", DType::i8},
                    Case{"sigmoid", "Sigmoid", "", {Shape{3, 7, 33}}, {}, {}, 1e-6},
                    Case{"tanh", "Tanh", "", {Shape{333}}, {}, {}, 1e-6},
                    Case{"exp", "Exp", "", {Shape{333}}, {}, {}, 2e-5},
                    Case{"clip", "Clip", "", {Shape{333}}, {}, {{"min", -0.5f}, {"max", 0.25f}}, 0, "onednn:", DType::f32, 10},
                    Case{"leaky", "LeakyRelu", "", {Shape{333}}, {}, {{"alpha", 0.2f}}, 1e-7},
                    Case{"hard_swish", "HardSwish", "", {Shape{333}}, {}, {}, 1e-6},
                    Case{"neg", "Neg", "", {Shape{333}}, {}, {}, 0},
                    Case{"elu", "Elu", "", {Shape{333}}, {}, {{"alpha", 0.7f}}, 1e-6},
                    Case{"max_of_two", "Max", "", {Shape{3, 7}, Shape{7}}, {}, {}, 0},
                    Case{"abs", "Abs", "", {Shape{333}}, {}, {}, 0},
                    Case{"gelu", "Gelu", "edgeclip", {Shape{3, 7, 33}}, {}, {}, 2e-6},
                    Case{"quick_gelu", "QuickGelu", "edgeclip", {Shape{8, 1, 65}}, {}, {}, 2e-6}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Indices, CpuKernels,
    testing::Values(Case{"shuffle", "ChannelShuffle", "edgeclip", {Shape{2, 6, 5, 3}}, {}, {{"group", std::int64_t{3}}}, 0, "loop:"},
                    Case{"shuffle_halves", "ChannelShuffle", "edgeclip", {Shape{2, 3, 5}, Shape{2, 3, 5}}, {}, {{"group", std::int64_t{2}}}, 0, "loop:"},
                    Case{"shuffle_bytes", "ChannelShuffle", "edgeclip", {Shape{2, 1, 5}, Shape{2, 3, 5}}, {}, {{"group", std::int64_t{2}}}, 0, "loop:", DType::u8},
                    Case{"affine_parts", "ChannelAffine", "edgeclip", {Shape{2, 3, 5}, Shape{7}, Shape{7}, Shape{2, 4, 5}}, {1, 2}, {{"activation", std::string("relu")}}, 1e-6, "loop:"},
                    Case{"argmax", "ArgMax", "", {Shape{3, 7, 5}}, {}, {{"axis", std::int64_t{1}}}, 0, "loop:"},
                    Case{"argmax_ids", "ArgMax", "", {Shape{3, 7}}, {}, {{"axis", std::int64_t{-1}}}, 0, "loop:",
                         DType::i32},
                    Case{"argmax_last", "ArgMax", "", {Shape{3, 7}}, {}, {{"select_last_index", std::int64_t{1}}}, 0,
                         "reference"},
                    Case{"to_bool", "Cast", "", {Shape{3, 7}}, {}, {{"to", std::int64_t{9}}}, 0, "loop:", DType::i32},
                    Case{"equal", "Equal", "", {Shape{3, 7}, Shape{3, 7}}, {}, {}, 0, "loop:", DType::i32},
                    Case{"equal_one", "Equal", "", {Shape{3, 7}, Shape{}}, {1}, {}, 0, "loop:", DType::i64},
                    Case{"equal_rows", "Equal", "", {Shape{3, 7}, Shape{7}}, {1}, {}, 0, "loop:parts", DType::i64}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Transpose, CpuKernels,
    testing::Values(
        Case{"heads", "Transpose", "", {Shape{3, 17, 4, 16}}, {}, {{"perm", Ints{0, 2, 1, 3}}}, 0},
        Case{"keys", "Transpose", "", {Shape{8, 17, 4, 16}}, {}, {{"perm", Ints{0, 2, 3, 1}}}, 0},
        Case{"reverse", "Transpose", "", {Shape{5, 3, 7}}, {}, {}, 0},
        Case{"bytes",
             "Transpose",
             "",
             {Shape{5, 33, 7}},
             {},
             {{"perm", Ints{2, 0, 1}}},
             0,
             "onednn:",
             DType::u8},
        Case{"any_bits", "Transpose", "", {Shape{33, 31}}, {}, {}, 0, "onednn:", DType::i32},
        Case{"wide", "Transpose", "", {Shape{5, 3}}, {}, {}, 0, "loop:axis_map", DType::i64},
        Case{"seven_axes", "Transpose", "", {Shape{2, 1, 2, 3, 1, 2, 2}}, {}, {}, 0, "loop:axis_map"}),
    case_name);

TEST(PackedWeights, SharesCopies) {
  const Tensor w(DType::f32, {96, 48});
  const auto plain = dense_desc({96, 48}, dnnl::memory::data_type::f32);
  const dnnl::memory::desc transposed({96, 48}, dnnl::memory::data_type::f32, dnnl::memory::dims{1, 96});
  PackedWeights cache;
  EXPECT_EQ(cache.get(w.raw(), plain, plain).get_data_handle(), w.raw());
  EXPECT_EQ(cache.bytes(), 0u);
  const void* first = cache.get(w.raw(), plain, transposed).get_data_handle();
  EXPECT_NE(first, w.raw());
  EXPECT_EQ(cache.get(w.raw(), plain, transposed).get_data_handle(), first);
  EXPECT_EQ(cache.bytes(), w.bytes());
}

}  // namespace
}  // namespace edgeclip::engine
