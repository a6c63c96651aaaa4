#include "builder/passes/eliminate_common.h"

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct EliminateCommon : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
};

TEST_F(EliminateCommon, ChainsWithEqualConstants) {
  const auto chain = [&] { return m.node("Exp", {m.node("Mul", {x, m.scalar(0.5F)})}); };
  EXPECT_EQ(rewrites_of(m, eliminate_common, {m.node("Add", {chain(), m.node("Neg", {chain()})})}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 4U);
}
TEST_F(EliminateCommon, KeepsOrigins) {
  const auto a = m.node("Exp", {x}), b = m.node("Exp", {x});
  m.graph.nodes()[0].origins = {"first"};
  m.graph.nodes()[1].origins = {"second"};
  EXPECT_EQ(rewrites_of(m, eliminate_common, {m.node("Add", {a, b})}), 1);
  EXPECT_EQ(m.graph.nodes()[0].origins, (std::vector<std::string>{"first", "second"}));
}
TEST_F(EliminateCommon, RefusesOtherAttributesConstantsAndTypesOfConstants) {
  const auto a = m.node("LeakyRelu", {x}, {{"alpha", 0.1F}}), b = m.node("LeakyRelu", {x}, {{"alpha", 0.2F}});
  const auto c = m.node("Mul", {x, m.scalar(2)}), d = m.node("Mul", {x, m.scalar(3)});
  const auto e = m.node("Mul", {x, m.constant<float>({1, 1}, {2})});  // another shape
  EXPECT_EQ(rewrites_of(m, eliminate_common, {m.node("Sum", {a, b, c, d, e})}), 0);
}
TEST_F(EliminateCommon, RefusesGraphOutputs) {
  EXPECT_EQ(rewrites_of(m, eliminate_common, {m.node("Exp", {x}), m.node("Exp", {x})}), 0);
}
TEST_F(EliminateCommon, RefusesLargeConstants) {
  const auto of = [&] {
    const auto axes = m.constant<std::int64_t>({1}, {1});
    return m.node("Add", {m.node("Unsqueeze", {x, axes}), m.constant<float>({300, 1}, std::vector<float>(300, 1))});
  };
  EXPECT_EQ(rewrites_of(m, eliminate_common, {m.node("Add", {of(), of()})}), 1);  // the Unsqueeze
}

}  // namespace
}  // namespace edgeclip::builder
