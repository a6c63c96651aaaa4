#include "builder/passes/fuse_attention.h"

#include "builder/attention_support.h"
#include "builder/passes/fuse_masked_softmax.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct FuseAttention : ::testing::Test {
  test::AttentionMaker m;
  const ValueId x = m.x;
  ValueId k = m.node("Sin", {x}), v = m.node("Cos", {x});

  int rewrites(std::vector<ValueId> outputs) {
    return test::rewrites_of(m, fuse_attention, std::move(outputs), {{2, 5, 32}});
  }
  void expect_attention(float scale, std::size_t inputs = 3) {
    ASSERT_EQ(m.graph.nodes().size(), 3U);  // with Sin and Cos
    const Node& node = m.graph.nodes()[2];
    ASSERT_TRUE(node.is("FusedAttention", "edgeclip"));
    EXPECT_EQ(node.int_or("num_heads", 0), 2);
    EXPECT_NEAR(node.float_or("scale", 0), scale, 1e-6);
    EXPECT_EQ(node.inputs.size(), inputs);
  }
  ValueId mixed(ValueId weights) { return m.rows(m.node("MatMul", {weights, m.heads(v)})); }
  ValueId scores() { return m.node("MatMul", {m.heads(x), m.transposed_heads(k)}); }
  ValueId onnx_attention(std::vector<ValueId> inputs, std::map<std::string, Attribute> attributes = {}) {
    return m.node("Attention", std::move(inputs), std::move(attributes), 23);
  }
};

TEST_F(FuseAttention, ScaledBeforeTheHeads) {
  const auto q = m.heads(m.scaled(x, 0.25F));
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("MatMul", {q, m.transposed_heads(k)})))}), 1);
  expect_attention(0.25F);
}
TEST_F(FuseAttention, BothSidesScaledBehindTheHeads) {
  const auto q = m.scaled(m.heads(x), 0.5F), kt = m.node("Div", {m.transposed_heads(k), m.scalar(2)});
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("MatMul", {q, kt})))}), 1);
  expect_attention(0.25F);
}
TEST_F(FuseAttention, ScoresScaled) {
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("Div", {scores(), m.scalar(4)})))}), 1);
  expect_attention(0.25F);
}
TEST_F(FuseAttention, KeysTurnedByThreeDimensions) {
  const auto heads = m.heads(k);
  const auto joined =
      m.node("Reshape",
             {heads, m.node("Concat",
                            {m.ints({-1}),
                             m.node("Shape", {heads}, {{"start", std::int64_t{2}}, {"end", std::int64_t{3}}}),
                             m.ints({16})},
                            {{"axis", std::int64_t{0}}})});
  const auto shape = m.node("Shape", {heads}, {{"end", std::int64_t{2}}});
  const auto length = m.node("Shape", {heads}, {{"start", std::int64_t{2}}, {"end", std::int64_t{3}}});
  const auto to = m.node("Concat", {shape, m.ints({16}), length}, {{"axis", std::int64_t{0}}});
  const auto kt = m.node("Reshape", {m.transpose(joined, {0, 2, 1}), to});
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("MatMul", {m.heads(x), kt})))}), 1);
  expect_attention(1);
}
TEST_F(FuseAttention, KeysTurnedAlone) {
  const auto kt = m.transpose(m.heads(k), {0, 1, 3, 2});
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("MatMul", {m.heads(x), kt})))}), 1);
  expect_attention(1);
}
TEST_F(FuseAttention, TakesTheMaskAndWhatRowsWithoutSoftmaxAre) {
  const auto mask = m.graph.add_constant("mask", test::ramp({1, 1, 1, 5}));
  EXPECT_EQ(rewrites({mixed(m.fused("MaskedSoftmax", {scores(), mask}, {{"safe", std::int64_t{1}}}))}), 1);
  expect_attention(1, 4);
  EXPECT_EQ(m.graph.nodes()[2].int_or("safe", 0), 1);
}
TEST_F(FuseAttention, OtherReadersOfHeadsKeepThem) {
  const auto q = m.heads(x);
  EXPECT_EQ(rewrites({mixed(m.softmax(m.node("MatMul", {q, m.transposed_heads(k)}))), q}), 1);
  EXPECT_EQ(test::count_ops(m.graph, "Transpose"), 1);
}
TEST_F(FuseAttention, RefusesReadersOfScoresAndWeights) {
  const auto s = scores();
  EXPECT_EQ(rewrites({mixed(m.softmax(s)), s}), 0);
  const auto weights = m.softmax(scores());
  EXPECT_EQ(rewrites({mixed(weights), weights}), 0);
}
TEST_F(FuseAttention, RefusesReadersOfTheMixedHeads) {
  const auto heads = m.node("MatMul", {m.softmax(scores()), m.heads(v)});
  EXPECT_EQ(rewrites({m.rows(heads), heads}), 0);
}
TEST_F(FuseAttention, RefusesSmallHeads) {
  const auto s = m.node("MatMul", {m.heads(x, 4), m.transposed_heads(k, 4)});
  EXPECT_EQ(rewrites({m.rows(m.node("MatMul", {m.softmax(s), m.heads(v, 4)}))}), 0);
}
TEST_F(FuseAttention, RefusesAnotherAxis) {
  EXPECT_EQ(rewrites({mixed(m.node("Softmax", {scores()}, {{"axis", std::int64_t{2}}}))}), 0);
}
TEST_F(FuseAttention, RefusesScaledValues) {
  EXPECT_EQ(rewrites({m.rows(m.node("MatMul", {m.softmax(scores()), m.scaled(m.heads(v), 2)}))}), 0);
}
TEST_F(FuseAttention, RefusesHeadsThatAreNotPutTogether) {
  const auto heads = m.node("MatMul", {m.softmax(scores()), m.heads(v)});
  const auto turned = m.transpose(heads, {0, 2, 1, 3});
  EXPECT_EQ(rewrites({m.node("Reshape", {turned, m.ints({0, -1, 16})})}), 0);
  const auto other = m.transpose(m.node("MatMul", {m.softmax(scores()), m.heads(v)}), {0, 2, 3, 1});
  EXPECT_EQ(rewrites({m.node("Reshape", {other, m.ints({0, 0, -1})})}), 0);
}
TEST_F(FuseAttention, RefusesLengthsThatAreNotProved) {
  const auto other = m.input("y", DType::f32, {-1, -1, 32}, {"batch", "others", ""});
  const auto s = m.node("MatMul", {m.heads(x), m.transposed_heads(other)});
  m.graph.outputs = {mixed(m.softmax(s))};
  annotate_shapes(m.graph);
  EXPECT_EQ(fuse_attention(m.graph), 0);
}
TEST_F(FuseAttention, QueriesOfAnotherLength) {
  const auto other = m.input("y", DType::f32, {-1, -1, 32}, {"batch", "others", ""});
  const auto s = m.node("MatMul", {m.heads(other), m.transposed_heads(k)});
  EXPECT_EQ(test::rewrites_of(m, fuse_attention, {mixed(m.softmax(s))}, {{2, 5, 32}, {2, 3, 32}}), 1);
}
TEST_F(FuseAttention, OnnxAttentionOverHeads) {
  const auto mask = m.graph.add_constant("mask", test::ramp({2, 1, 1}));
  EXPECT_EQ(rewrites({m.rows(onnx_attention({m.heads(x), m.heads(k), m.heads(v), mask},
                                            {{"is_causal", std::int64_t{1}}}))}),
            1);
  expect_attention(0.25F, 4);
  EXPECT_EQ(m.graph.nodes()[2].int_or("causal", 0), 1);
  EXPECT_EQ(m.graph.nodes()[2].int_or("safe", 0), 2);
}
TEST_F(FuseAttention, OnnxAttentionOverRows) {
  const std::map<std::string, Attribute> heads = {
      {"q_num_heads", std::int64_t{2}}, {"kv_num_heads", std::int64_t{2}}, {"scale", 0.5F}};
  EXPECT_EQ(rewrites({onnx_attention({x, k, v}, heads)}), 1);
  expect_attention(0.5F);
}
TEST_F(FuseAttention, RefusesMoreThanOnnxAttentionOfHeads) {
  const std::map<std::string, Attribute> heads = {{"q_num_heads", std::int64_t{2}},
                                                  {"kv_num_heads", std::int64_t{2}}};
  auto capped = heads;
  capped["softcap"] = 3.0F;
  EXPECT_EQ(rewrites({onnx_attention({x, k, v}, capped)}), 0);
  const auto shown = m.constant<bool>({1, 5}, {true, false, true, true, true});
  EXPECT_EQ(rewrites({onnx_attention({x, k, v, shown}, heads)}), 0);
  const auto past = m.graph.add_constant("past", test::ramp({2, 2, 3, 16}));
  EXPECT_EQ(rewrites({onnx_attention({x, k, v, kNoValue, past, past}, heads)}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
