// Every kernel of the CPU backend against the reference kernel of its operator, on random data: products,
// convolutions and pools here, the other tables in cpu_row_kernels_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/rng.h"
#include "engine/kernel_case.h"
#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"

namespace edgeclip::engine {
namespace {

using test::CpuKernels;
using test::kernel_case_name;
using Case = test::KernelCase;
using Ints = std::vector<std::int64_t>;

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
INSTANTIATE_TEST_SUITE_P(FusedMatMul, CpuKernels, testing::ValuesIn(fused_matmul_cases()), kernel_case_name);

INSTANTIATE_TEST_SUITE_P(
    MatMul, CpuKernels,
    testing::Values(
        Case{"matrix", "MatMul", "", {Shape{5, 33}, Shape{33, 9}}, {1}, {}, 2e-5, "gemm:"},
        Case{"attention_scores", "MatMul", "", {Shape{3, 4, 17, 16}, Shape{3, 4, 16, 17}}, {}, {}, 2e-5},
        Case{"attention_values", "MatMul", "", {Shape{8, 2, 5, 5}, Shape{8, 2, 5, 16}}, {}, {}, 2e-5},
        Case{"flattened", "MatMul", "", {Shape{3, 7, 33}, Shape{33, 9}}, {1}, {}, 2e-5, "gemm:"},
        Case{"one_for_all", "MatMul", "", {Shape{7, 33}, Shape{3, 33, 9}}, {}, {}, 2e-5},
        Case{"both_broadcast", "MatMul", "", {Shape{3, 1, 7, 8}, Shape{1, 4, 8, 9}}, {}, {}, 2e-5},
        Case{"constant_batch", "MatMul", "", {Shape{3, 7, 8}, Shape{3, 8, 9}}, {1}, {}, 2e-5},
        Case{"row", "MatMul", "", {Shape{33}, Shape{33, 9}}, {1}, {}, 2e-5, "gemm:"},
        Case{"column", "MatMul", "", {Shape{3, 5, 33}, Shape{33}}, {}, {}, 2e-5},
        Case{"constant_column", "MatMul", "", {Shape{3, 5, 33}, Shape{33}}, {1}, {}, 2e-5},
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
    kernel_case_name);

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
    kernel_case_name);

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
    kernel_case_name);

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
    kernel_case_name);

}  // namespace
}  // namespace edgeclip::engine
