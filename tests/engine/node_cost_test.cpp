// Multiply-accumulates and bytes of a node, by hand, and the precision that it is said to work in.
#include "engine/ops/node_cost.h"

#include <gtest/gtest.h>

#include "engine/ops/precision.h"

namespace edgeclip::engine {
namespace {

struct Given {
  std::string op;
  std::vector<Shape> inputs;
  Shape output;
  std::map<std::string, Attribute> attributes = {};
  std::string domain = "";
};

std::int64_t macs(const Given& given) {
  Node node;
  node.op = given.op;
  node.domain = given.domain;
  node.attributes = given.attributes;
  Inputs inputs;
  for (const Shape& shape : given.inputs) {
    node.inputs.push_back(static_cast<ValueId>(node.inputs.size()));
    inputs.push_back({DType::f32, shape, nullptr});
  }
  return multiply_accumulates(node, inputs, {{DType::f32, given.output, nullptr}});
}

TEST(NodeCost, OfTokenMerge) {
  // 4 sources by 3 targets of heads of 8, in 2 images.
  const std::map<std::string, Attribute> attributes = {{"num_heads", std::int64_t{2}}, {"count", std::int64_t{2}}};
  EXPECT_EQ(macs({"TokenMerge", {{2, 7, 5}, {2, 7, 16}, {2, 7, 1}}, {2, 5, 5}, attributes, "edgeclip"}), 2 * 4 * 3 * 8);
}

TEST(NodeCost, OfConvolutions) {
  // Every output element is a sum over a filter: 4 / 2 channels of 3 x 3.
  const std::vector<Shape> conv = {{2, 4, 8, 8}, {6, 2, 3, 3}, {6}};
  EXPECT_EQ(macs({"Conv", conv, {2, 6, 6, 6}}), 2 * 6 * 6 * 6 * 2 * 9);
  EXPECT_EQ(macs({"FusedConv", conv, {2, 6, 6, 6}, {}, "edgeclip"}), 2 * 6 * 6 * 6 * 2 * 9);
  EXPECT_EQ(macs({"QuantConv", conv, {2, 6, 6, 6}, {}, "edgeclip"}), 2 * 6 * 6 * 6 * 2 * 9);
  EXPECT_EQ(macs({"ConvInteger", conv, {2, 6, 6, 6}}), 2 * 6 * 6 * 6 * 2 * 9);
  EXPECT_EQ(macs({"QLinearConv", {{2, 4, 8, 8}, {}, {}, {6, 2, 3, 3}}, {2, 6, 6, 6}}), 2 * 6 * 6 * 6 * 2 * 9);
  EXPECT_EQ(macs({"Conv", {{1, 3, 5}, {2, 3, 5}}, {1, 2, 1}}), 2 * 3 * 5);
  // Every input element goes into 5 filters of 2 x 2.
  EXPECT_EQ(macs({"ConvTranspose", {{1, 3, 4, 4}, {3, 5, 2, 2}}, {1, 5, 8, 8}}), 3 * 16 * 5 * 4);
}

TEST(NodeCost, OfProducts) {
  EXPECT_EQ(macs({"MatMul", {{7, 5, 3}, {3, 2}}, {7, 5, 2}}), 7 * 5 * 2 * 3);
  EXPECT_EQ(macs({"MatMul", {{5, 3}, {7, 3, 2}}, {7, 5, 2}}), 7 * 5 * 2 * 3);
  EXPECT_EQ(macs({"MatMul", {{3}, {3}}, {}}), 3);
  EXPECT_EQ(macs({"FusedMatMul", {{7, 5, 3}, {3, 2}}, {7, 5, 2}, {}, "edgeclip"}), 7 * 5 * 2 * 3);
  EXPECT_EQ(macs({"QLinearMatMul", {{5, 3}, {}, {}, {3, 2}}, {5, 2}}), 5 * 2 * 3);
  // A residual may broadcast the product, which is computed once.
  EXPECT_EQ(macs({"QuantMatMul", {{5, 3}, {3, 2}, {2}, {}, {4, 5, 2}}, {4, 5, 2}, {}, "edgeclip"}),
            5 * 2 * 3);
  EXPECT_EQ(macs({"Gemm", {{5, 3}, {3, 2}}, {5, 2}}), 30);
  EXPECT_EQ(macs({"Gemm", {{3, 5}, {3, 2}}, {5, 2}, {{"transA", std::int64_t{1}}}}), 30);
}

TEST(NodeCost, OfAttentionAndEinsum) {
  const std::vector<Shape> heads = {{2, 4, 5, 8}, {2, 2, 7, 8}, {2, 2, 7, 6}};
  EXPECT_EQ(macs({"Attention", heads, {2, 4, 5, 6}}), 2 * 4 * 5 * 7 * (8 + 6));
  const std::map<std::string, Attribute> counts = {{"q_num_heads", std::int64_t{4}},
                                                   {"kv_num_heads", std::int64_t{2}}};
  EXPECT_EQ(macs({"Attention", {{2, 5, 32}, {2, 7, 16}, {2, 7, 12}}, {2, 5, 24}, counts}),
            2 * 4 * 5 * 7 * (8 + 6));
  std::vector<Shape> cached = heads;
  for (const Shape& more : {Shape{}, Shape{2, 2, 3, 8}, Shape{2, 2, 3, 6}}) cached.push_back(more);
  EXPECT_EQ(macs({"Attention", cached, {2, 4, 5, 6}}), 2 * 4 * 5 * 10 * (8 + 6));

  const auto einsum = [](const std::string& equation, const std::vector<Shape>& inputs, const Shape& output) {
    return macs({"Einsum", inputs, output, {{"equation", equation}}});
  };
  EXPECT_EQ(einsum("bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}, {2, 3, 5}), 2 * 3 * 4 * 5);
  EXPECT_EQ(einsum("ij->i", {{3, 4}}, {3}), 0) << "a sum multiplies nothing";
  EXPECT_EQ(einsum("i,i,i->i", {{3}, {3}, {3}}, {3}), 2 * 3);
}

TEST(NodeCost, OfWhatMultipliesNothing) {
  EXPECT_EQ(macs({"Add", {{5, 3}, {5, 3}}, {5, 3}}), 0);
  EXPECT_EQ(macs({"Softmax", {{5, 3}}, {5, 3}}), 0);
  EXPECT_EQ(macs({"MaxPool", {{1, 3, 8, 8}}, {1, 3, 4, 4}}), 0);
  EXPECT_EQ(macs({"Conv", {{1, 3, 5}, {2, 3, 5}}, {1, 2, 1}, {}, "elsewhere"}), 0);
}

TEST(NodeCost, BytesAreThoseThatMove) {
  Node add;
  add.op = "Add";
  add.inputs = {0, kNoValue};
  const Outputs out = {{DType::f32, {2, 3}, nullptr}};
  EXPECT_EQ(bytes_moved(add, {{DType::f32, {2, 3}, nullptr}, {}}, out), 2 * 24)
      << "an input left out is none";
  Node gather;
  gather.op = "Gather";
  gather.inputs = {0, 1};
  EXPECT_EQ(bytes_moved(gather, {{DType::f32, {50000, 3}, nullptr}, {DType::i64, {2}, nullptr}}, out),
            24 + 16 + 24)
      << "two rows of the table";
  Node reorder;  // names no inputs
  reorder.op = "Reorder";
  EXPECT_EQ(bytes_moved(reorder, {{DType::f32, {2, 3}, nullptr}}, out), 48);
}

TEST(NodePrecision, IsThatOfTheArithmeticOrTheWeights) {
  const auto precision = [](const char* op, const std::vector<DType>& inputs, DType output) {
    Node node;
    node.op = op;
    return node_precision(node, inputs, output);
  };
  EXPECT_EQ(precision("FusedMatMul", {DType::f32, DType::f32}, DType::f32), "fp32");
  EXPECT_EQ(precision("FusedMatMul", {DType::f32, DType::bf16, DType::f32}, DType::f32), "bf16");
  EXPECT_EQ(precision("FusedConv", {DType::f32, DType::f16}, DType::f32), "fp16");
  EXPECT_EQ(precision("QuantMatMul", {DType::u8, DType::i8, DType::f32}, DType::f32), "int8");
  EXPECT_EQ(precision("QuantConv", {DType::u8, DType::i8, DType::f32}, DType::f32), "int8");
  EXPECT_EQ(precision("QuantGather", {DType::i8, DType::f32, DType::i64}, DType::f32), "int8");
  EXPECT_EQ(precision("QLinearConv", {DType::u8}, DType::u8), "int8");
  EXPECT_EQ(precision("Add", {DType::f64, DType::f64}, DType::f64), "fp64");
  EXPECT_EQ(precision("Shape", {DType::f32}, DType::i64), "int64");
}

}  // namespace
}  // namespace edgeclip::engine
