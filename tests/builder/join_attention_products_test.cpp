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

}  // namespace
}  // namespace edgeclip::builder
