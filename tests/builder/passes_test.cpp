#include "builder/passes/passes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "builder/passes/eliminate_identity.h"
#include "builder/passes/fold_constants.h"
#include "builder/passes/fuse_matmul.h"
#include "builder/passes/fuse_quick_gelu.h"
#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct FusedMatMul : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  ValueId w = m.graph.add_constant("w", ramp({4, 4}));
  ValueId b = m.graph.add_constant("b", ramp({4}));
  ValueId product() { return m.node("MatMul", {x, w}); }
  ValueId biased() { return m.node("Add", {b, product()}); }
  ValueId quick(ValueId v) {
    return m.node("Mul", {v, m.node("Sigmoid", {m.node("Mul", {v, m.scalar(1.702F)})})});
  }
};

TEST_F(FusedMatMul, Bias) {
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {biased()}), 1);
  EXPECT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 3U);
}
TEST_F(FusedMatMul, BiasActivationResidual) {
  const auto y = m.node("Add", {x, quick(biased())});
  EXPECT_EQ(rewrites_of(m, [](Graph& g) { return fuse_quick_gelu(g) + fuse_matmul(g); }, {y}), 4);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].string_or("activation", ""), "quick_gelu");
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 4U);
}
TEST_F(FusedMatMul, TakesInRelu) {
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Relu", {biased()})}), 2);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].string_or("activation", ""), "relu");
}
TEST_F(FusedMatMul, TakesInAClipThatIsARelu) {
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Clip", {biased(), m.scalar(0)})}), 2);
}
TEST_F(FusedMatMul, RefusesActivationsThatItHasNoKernelFor) {
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Tanh", {biased()})}), 1);
  EXPECT_EQ(count_ops(m.graph, "Tanh"), 1);
}
TEST_F(FusedMatMul, KeepsTheNamesOfAllItSwallowed) {
  const auto y = m.node("Add", {x, quick(biased())});
  for (std::size_t i = 0; i < m.graph.nodes().size(); ++i)
    m.graph.nodes()[i].origins = {fmt::format("node {}", i)};
  const std::size_t all = m.graph.nodes().size();
  rewrites_of(m, [](Graph& g) { return fuse_quick_gelu(g) + fuse_matmul(g); }, {y});
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  std::vector<std::string> origins = m.graph.nodes()[0].origins;
  EXPECT_EQ(origins.front(), fmt::format("node {}", all - 1)) << "its own first";
  std::sort(origins.begin(), origins.end());
  EXPECT_EQ(origins.size(), all);
  EXPECT_EQ(std::unique(origins.begin(), origins.end()), origins.end());
}
TEST_F(FusedMatMul, Gemm) {
  const auto y = m.node("Gemm", {x, w, b}, {{"transB", std::int64_t{1}}});
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {y}), 1);
  EXPECT_EQ(m.graph.nodes()[0].op, "FusedMatMul");
}
TEST_F(FusedMatMul, GemmRefusesAlphaAndTransposedA) {
  const auto scaled = m.node("Gemm", {x, w, b}, {{"alpha", 0.5F}});
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {scaled}), 0);
  GraphMaker t;
  const auto a = t.input("a", DType::f32, {4, 2});
  const auto y = t.node("Gemm", {a, t.graph.add_constant("w", ramp({4, 4}))}, {{"transA", std::int64_t{1}}});
  EXPECT_EQ(rewrites_of(t, fuse_matmul, {y}, {{4, 2}}), 0);
}
TEST_F(FusedMatMul, ActivationAfterResidualStays) {
  const auto y = quick(m.node("Add", {biased(), x}));
  EXPECT_EQ(rewrites_of(m, [](Graph& g) { return fuse_quick_gelu(g) + fuse_matmul(g); }, {y}), 3);
  EXPECT_EQ(count_ops(m.graph, "QuickGelu"), 1);
}
TEST_F(FusedMatMul, RefusesAResidualToBroadcast) {
  const auto row = m.graph.add_constant("row", ramp({1, 4}));
  const auto y = m.node("Add", {biased(), row});
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {y}), 1);  // the bias alone
  EXPECT_EQ(count_ops(m.graph, "Add"), 1);
}
TEST_F(FusedMatMul, RefusesABiasOfAnotherLength) {
  const auto one = m.graph.add_constant("one", ramp({1}));
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Add", {product(), one})}), 0);
}
TEST_F(FusedMatMul, RefusesAProductThatIsAnOutput) {
  const auto p = product();
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Add", {p, b}), p}), 0);
}
TEST_F(FusedMatMul, RefusesAProductReadTwice) {
  const auto p = product();
  const auto y = m.node("Add", {p, b});
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {y, m.node("Relu", {p})}), 0);
}
TEST_F(FusedMatMul, RefusesWeightsThatAreNoConstants) {
  const auto v = m.input("v", DType::f32, {4, 4});
  EXPECT_EQ(rewrites_of(m, fuse_matmul, {m.node("Add", {m.node("MatMul", {x, v}), b})}, {{2, 4}, {4, 4}}), 0);
}

TEST(EliminateIdentity, TakesOutWhatDoesNothing) {
  GraphMaker m;
  auto v = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  v = m.node("Relu", {v});
  v = m.node("Identity", {v});
  v = m.node("Dropout", {v});
  v = m.node("Cast", {v}, {{"to", std::int64_t{1}}});
  v = m.node("Reshape", {v, m.constant<std::int64_t>({2}, {-1, 4})});
  v = m.node("Transpose", {v}, {{"perm", std::vector<std::int64_t>{0, 1}}});
  v = m.node("Exp", {v});
  EXPECT_EQ(rewrites_of(m, eliminate_identity, {v}), 5);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
}
TEST(EliminateIdentity, OutputsKeepTheirNames) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2, 4});
  const auto y = m.node("Relu", {x});
  const auto z = m.node("Identity", {m.node("Identity", {y})});
  EXPECT_EQ(rewrites_of(m, eliminate_identity, {z, m.node("Exp", {y})}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
}
TEST(EliminateIdentity, RefusesAnInputThatBecomesAnOutput) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2, 4});
  EXPECT_EQ(rewrites_of(m, eliminate_identity, {m.node("Identity", {x})}), 0);
}
TEST(EliminateIdentity, RefusesTwoOutputsOfOneValue) {
  GraphMaker m;
  const auto y = m.node("Relu", {m.input("x", DType::f32, {2, 4})});
  EXPECT_EQ(rewrites_of(m, eliminate_identity, {y, m.node("Identity", {y})}), 0);
}
TEST(EliminateIdentity, RefusesWhatChangesSomething) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto a =
      m.node("Reshape", {x, m.constant<std::int64_t>({2}, {4, -1})});  // equal for a batch of 4 only
  const auto b = m.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{1, 0}}});
  const auto c = m.node("Cast", {x}, {{"to", std::int64_t{11}}});
  EXPECT_EQ(
      rewrites_of(m, eliminate_identity, {m.node("Relu", {a}), m.node("Relu", {b}), m.node("Exp", {c})}), 0);
}

TEST(FoldConstants, FoldsWhatDependsOnConstantsAlone) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2, 4});
  const auto c = m.node("Mul", {m.node("Sqrt", {m.scalar(4)}), m.scalar(3)});
  const auto y = m.node("Add", {x, c});
  EXPECT_EQ(rewrites_of(m, fold_constants, {y}), 2);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(*m.graph.value(m.graph.nodes()[0].inputs[1]).constant->data<float>(), 6.0F);
}
TEST(FoldConstants, FoldsShapesWithoutDynamicDimensions) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2, 4});
  const auto y = m.node(
      "Expand", {m.node("ReduceMax", {x}, {{"axes", std::vector<std::int64_t>{1}}}), m.node("Shape", {x})});
  EXPECT_EQ(rewrites_of(m, fold_constants, {y}), 1);
  EXPECT_EQ(count_ops(m.graph, "Shape"), 0);
}
TEST(FoldConstants, RefusesDynamicShapesOutputsAndHugeResults) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto shape = m.node("Shape", {x});
  const auto output = m.node("Sqrt", {m.scalar(4)});
  const auto huge = m.node("Expand", {m.scalar(1), m.constant<std::int64_t>({2}, {4096, 4096})});
  const auto y = m.node(
      "Add", {m.node("Expand", {x, shape}), m.node("ReduceMax", {huge}, {{"keepdims", std::int64_t{0}}})});
  m.graph.outputs = {output, y};
  annotate_shapes(m.graph);
  EXPECT_EQ(fold_constants(m.graph), 0);
}
TEST(FoldConstants, LeavesTheSizeOfAStridedPlaneToTheRun) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {1, 3, -1, -1}, {"", "", "h", "w"});
  const auto pool = [&](ValueId id, std::int64_t stride) {
    return m.node("MaxPool", {id},
                  {{"kernel_shape", std::vector<std::int64_t>{1, 1}},
                   {"strides", std::vector<std::int64_t>{stride, stride}}});
  };
  const auto skip = pool(x, 16), deep = pool(skip, 2);
  const auto ends = [&](ValueId id, std::int64_t from, std::int64_t to) {
    return m.node("Slice", {m.node("Shape", {id}), m.constant<std::int64_t>({1}, {from}),
                            m.constant<std::int64_t>({1}, {to}), m.constant<std::int64_t>({1}, {0})});
  };
  // to the size of the skip connection, as the exporter of PyTorch spells it
  const auto sizes = m.node("Concat", {ends(deep, 0, 2), ends(skip, 2, 4)}, {{"axis", std::int64_t{0}}});
  const auto up = m.node("Resize", {deep, kNoValue, kNoValue, sizes}, {{"mode", std::string("nearest")}});
  const auto y = m.node("Concat", {skip, up}, {{"axis", std::int64_t{1}}});
  EXPECT_EQ(rewrites_of(m, fold_constants, {y}, {{1, 3, 40, 56}}), 1);  // (1, 3), the first two
}
TEST(FoldConstants, FoldsTheEntriesOfAShapeThatAreConstant) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 3, -1, 4}, {"batch", "", "h", ""});
  const auto shape = m.node("Shape", {x});
  const auto channels = m.node("Gather", {shape, m.constant<std::int64_t>({1}, {1})});
  const auto width = m.node("Gather", {shape, m.constant<std::int64_t>({1}, {3})});
  const auto batch = m.node("Gather", {shape, m.constant<std::int64_t>({1}, {0})});
  const auto row = m.node("Mul", {channels, width});
  const auto target =
      m.node("Concat", {batch, m.constant<std::int64_t>({1}, {-1}), row}, {{"axis", std::int64_t{0}}});
  const auto y = m.node("Reshape", {x, target});
  EXPECT_EQ(rewrites_of(m, fold_constants, {y}, {{2, 3, 5, 4}}), 3);
  EXPECT_EQ(count_ops(m.graph, "Gather"), 1);
  EXPECT_EQ(count_ops(m.graph, "Mul"), 0);
}
TEST(FoldConstants, LeavesDequantizeLinearToTheQuantizedKernels) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {2, 4});
  const auto w = m.node("DequantizeLinear", {m.constant<std::int8_t>({4}, {1, 2, 3, 4}), m.scalar(0.5F)});
  const auto y = m.node("Add", {x, w});
  EXPECT_EQ(rewrites_of(m, fold_constants, {y}), 0);
  EXPECT_EQ(rewrites_of(m, fold_dequantized, {m.graph.outputs[0]}), 1);
}

TEST(EliminateIdentity, DropoutWhoseMaskNobodyReads) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto dropped = m.node("Dropout", {m.node("Relu", {x})});
  Value mask;
  mask.name = "mask";
  m.graph.nodes().back().outputs.push_back(m.graph.add_value(mask));
  EXPECT_EQ(rewrites_of(m, eliminate_identity, {m.node("Exp", {dropped})}), 1);
}
TEST(EliminateIdentity, RefusesDropoutInTrainingModeOfADynamicBatch) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto training = m.graph.add_constant("t", Tensor::from<bool>({}, {true}));
  m.graph.outputs = {m.node("Relu", {m.node("Dropout", {x, kNoValue, training})})};
  annotate_shapes(m.graph);
  EXPECT_EQ(eliminate_identity(m.graph), 0);
}

TEST(Passes, RunUntilNothingChanges) {
  GraphMaker m;
  const auto x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  const auto w = m.graph.add_constant("w", ramp({4, 4}));
  const auto turned = m.node("Transpose", {w});  // folded before the product can be fused
  const auto p = m.node("Identity", {m.node("MatMul", {x, turned})});
  const auto y = m.node("Add", {p, m.graph.add_constant("b", ramp({4}))});
  m.graph.outputs = {y};
  annotate_shapes(m.graph);
  optimize(m.graph);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].op, "FusedMatMul");
  for (const auto& report : optimize(m.graph)) EXPECT_EQ(report.rewrites, 0) << report.name;
}

}  // namespace
}  // namespace edgeclip::builder
