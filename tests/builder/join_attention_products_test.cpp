#include "builder/passes/join_attention_products.h"

#include "builder/attention_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct JoinAttentionProducts : ::testing::Test {
  test::AttentionMaker m;
  const ValueId x = m.x;

  int rewrites(std::vector<ValueId> outputs) {
    return test::rewrites_of(m, join_attention_products, std::move(outputs), {{2, 5, 32}});
  }
};

TEST_F(JoinAttentionProducts, OneProductOfThree) {
  const auto q = m.product(x, 0.2F), k = m.product(x, 0.1F), v = m.product(x, 0.3F);
  m.graph.nodes()[0].origins = {"q"};
  m.graph.nodes()[1].origins = {"k"};
  m.graph.nodes()[2].origins = {"v"};
  EXPECT_EQ(rewrites({m.attention({q, k, v})}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 2U);
  const Node& product = m.graph.nodes()[0];
  EXPECT_EQ(product.origins, (std::vector<std::string>{"q", "k", "v"}));
  EXPECT_EQ(m.graph.value(product.inputs[1]).constant->shape(), (Shape{32, 96}));
  EXPECT_EQ(m.graph.nodes()[1].inputs, product.outputs);
}
TEST_F(JoinAttentionProducts, KeepsTheMaskAndFillsInBiases) {
  const auto mask = m.graph.add_constant("mask", test::ramp({5, 5}));
  const auto weights = m.graph.add_constant("w", test::ramp({32, 32}, 0.2F));
  const auto q = m.node("MatMul", {x, weights}), k = m.product(x, 0.1F, false), v = m.product(x, 0.3F);
  EXPECT_EQ(rewrites({m.attention({q, k, v, mask})}), 1);
  EXPECT_EQ(m.graph.nodes()[1].inputs.size(), 4U);
}
TEST_F(JoinAttentionProducts, WithoutBiases) {
  const auto q = m.product(x, 0.2F, false), k = m.product(x, 0.1F, false), v = m.product(x, 0.3F, false);
  EXPECT_EQ(rewrites({m.attention({q, k, v})}), 1);
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 2U);
}
TEST_F(JoinAttentionProducts, SeveralAttentions) {
  ValueId y = x;
  for (int layer = 0; layer < 2; ++layer)
    y = m.attention({m.product(y, 0.2F), m.product(y, 0.1F), m.product(y, 0.3F)});
  EXPECT_EQ(rewrites({y}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 4U);
}
TEST_F(JoinAttentionProducts, KeysThatTokensAreMergedByComeAlong) {
  const auto q = m.product(x, 0.2F), k = m.product(x, 0.1F), v = m.product(x, 0.3F);
  const auto y = m.attention({q, k, v}), sizes = m.node("Abs", {m.node("ReduceSum", {x, m.ints({2})})});
  const std::int64_t heads = m.graph.nodes()[3].int_or("num_heads", 0);
  const auto merge = m.fused("TokenMerge", {y, k, sizes}, {{"num_heads", heads}, {"count", std::int64_t{2}}});
  EXPECT_EQ(rewrites({merge}), 1);
  const Node& node = m.graph.nodes().back();
  ASSERT_TRUE(node.is("TokenMerge", "edgeclip"));
  EXPECT_EQ(node.inputs[1], m.graph.nodes()[0].outputs[0]);
  EXPECT_EQ(node.int_or("joined", 0), 1);
}
TEST_F(JoinAttentionProducts, RefusesKeysThatOtherHeadsAreMergedBy) {
  const auto q = m.product(x, 0.2F), k = m.product(x, 0.1F), v = m.product(x, 0.3F);
  const auto y = m.attention({q, k, v}), sizes = m.node("Abs", {m.node("ReduceSum", {x, m.ints({2})})});
  EXPECT_EQ(rewrites({m.fused("TokenMerge", {y, k, sizes}, {{"num_heads", std::int64_t{32}}, {"count", std::int64_t{2}}})}), 0);
}
TEST_F(JoinAttentionProducts, RefusesAnotherInput) {
  const auto other = m.node("Sin", {x});
  EXPECT_EQ(rewrites({m.attention({m.product(x, 0.2F), m.product(other, 0.1F), m.product(other, 0.3F)})}), 0);
}
TEST_F(JoinAttentionProducts, RefusesOtherReaders) {
  const auto q = m.product(x, 0.2F), k = m.product(x, 0.1F), v = m.product(x, 0.3F);
  EXPECT_EQ(rewrites({m.attention({q, k, v}), k}), 0);
  EXPECT_EQ(rewrites({m.attention({q, k, k})}), 0);
}
TEST_F(JoinAttentionProducts, RefusesActivationsAndResiduals) {
  const auto weights = m.graph.add_constant("w", test::ramp({32, 32}, 0.2F));
  const auto q = m.fused("FusedMatMul", {x, weights}, {{"activation", std::string("relu")}});
  EXPECT_EQ(rewrites({m.attention({q, m.product(x, 0.1F), m.product(x, 0.3F)})}), 0);
  const auto added = m.fused("FusedMatMul", {x, weights, kNoValue, x});
  EXPECT_EQ(rewrites({m.attention({added, m.product(x, 0.1F), m.product(x, 0.3F)})}), 0);
}
TEST_F(JoinAttentionProducts, RefusesWeightsThatAreNoConstants) {
  const auto weights = m.node("Sin", {m.graph.add_constant("w", test::ramp({32, 32}, 0.2F))});
  EXPECT_EQ(rewrites({m.attention({m.node("MatMul", {x, weights}), m.product(x, 0.1F), m.product(x, 0.3F)})}),
            0);
}

/// What Q/DQ pairs around them leave.
struct JoinQuantizedProducts : JoinAttentionProducts {
  const ValueId quantized = m.node("QuantizeLinear", {x, m.scalar(0.05F), m.graph.add_constant("zero", Tensor::from<std::uint8_t>({}, {7}))});
  int made = 0;

  ValueId product(std::vector<ValueId> more = {}, std::map<std::string, Attribute> changed = {}) {
    Tensor weights(DType::i8, {32, 32}), scales(DType::f32, {32});
    ++made;
    for (std::int64_t i = 0; i < weights.elements(); ++i)
      weights.data<std::int8_t>()[i] = static_cast<std::int8_t>((i * (11 + 2 * made)) % 127 - 60);
    for (std::int64_t i = 0; i < 32; ++i) scales.data<float>()[i] = 1e-3F * static_cast<float>(made + i);
    std::vector<ValueId> inputs = {quantized, m.graph.add_constant(fmt::format("w{}", made), std::move(weights)),
                                   m.graph.add_constant(fmt::format("scales{}", made), std::move(scales))};
    inputs.insert(inputs.end(), more.begin(), more.end());
    std::map<std::string, Attribute> attributes = {{"a_scale", 0.05F}, {"a_zero_point", std::int64_t{7}}, {"activation", std::string()}};
    for (auto& [name, value] : changed) attributes[name] = value;
    return m.fused("QuantMatMul", std::move(inputs), std::move(attributes));
  }
  ValueId bias(float size) { return m.weights({32}, size); }
};

TEST_F(JoinQuantizedProducts, OneProductOfThree) {
  const auto q = product({bias(0.2F)}), k = product(), v = product({bias(0.1F)});
  EXPECT_EQ(rewrites({m.attention({q, k, v})}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 3U);
  const Node& joined = m.graph.nodes()[1];
  ASSERT_TRUE(joined.is("QuantMatMul", "edgeclip"));
  EXPECT_EQ(m.graph.value(joined.inputs[1]).constant->shape(), (Shape{32, 96}));
  EXPECT_EQ(m.graph.value(joined.inputs[2]).constant->shape(), (Shape{96}));
  EXPECT_EQ(joined.float_or("a_scale", 0), 0.05F);
  EXPECT_EQ(joined.int_or("a_zero_point", 0), 7);
  EXPECT_EQ(m.graph.nodes()[2].inputs, joined.outputs);
}
TEST_F(JoinQuantizedProducts, WithoutBiases) {
  EXPECT_EQ(rewrites({m.attention({product(), product(), product()})}), 1);
  EXPECT_EQ(m.graph.nodes()[1].inputs.size(), 3U);
}
TEST_F(JoinQuantizedProducts, RefusesAnotherRangeOfTheInput) {
  EXPECT_EQ(rewrites({m.attention({product(), product({}, {{"a_scale", 0.04F}}), product()})}), 0);
}
TEST_F(JoinQuantizedProducts, RefusesAnotherZeroPointOfTheInput) {
  EXPECT_EQ(rewrites({m.attention({product(), product(), product({}, {{"a_zero_point", std::int64_t{8}}})})}), 0);
}
TEST_F(JoinQuantizedProducts, RefusesActivationsAndResiduals) {
  EXPECT_EQ(rewrites({m.attention({product(), product({}, {{"activation", std::string("relu")}}), product()})}), 0);
  EXPECT_EQ(rewrites({m.attention({product(), product({kNoValue, x}), product()})}), 0);
}
TEST_F(JoinQuantizedProducts, RefusesAFloatProductAmongThem) {
  EXPECT_EQ(rewrites({m.attention({product(), m.product(x, 0.1F), product()})}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
