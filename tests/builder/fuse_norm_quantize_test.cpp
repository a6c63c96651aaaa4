#include "builder/passes/fuse_norm_quantize.h"

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// x (batch, 3, 6) normalized and quantized by rows.
struct NormQuantize : ::testing::Test {
  RewriteMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 3, 6}, {"batch", "", ""});

  ValueId norm(std::int64_t axis = -1, const Shape& scale = {6}) {
    return m.node("LayerNormalization", {x, m.weights(scale, 1), m.weights(scale, 1)},
                  {{"axis", axis}, {"epsilon", 1e-3F}});
  }
  /// What the rows stand for: q * scale.
  ValueId rows(ValueId of) {
    const auto q = m.fused("QuantizeRows", {of});
    Value value;
    value.name = "scale" + std::to_string(m.graph.value_count());
    const auto scale = m.graph.add_value(std::move(value));
    m.graph.nodes().back().outputs.push_back(scale);
    return m.node("Mul", {m.node("Cast", {q}, {{"to", std::int64_t{1}}}), scale});
  }
  int run(std::vector<ValueId> outputs) { return rewrites_of(m, fuse_norm_quantize, std::move(outputs), {{2, 3, 6}}); }
};

TEST_F(NormQuantize, InOne) {
  EXPECT_EQ(run({rows(norm())}), 1);
  EXPECT_EQ(count_ops(m.graph, "LayerNormalization") + count_ops(m.graph, "QuantizeRows"), 0);
  EXPECT_TRUE(m.graph.nodes()[0].is("LayerNormQuantizeRows", "edgeclip"));
  EXPECT_EQ(m.graph.nodes()[0].outputs.size(), 2U);
  EXPECT_EQ(m.graph.nodes()[0].float_or("epsilon", 0), 1e-3F);
}
TEST_F(NormQuantize, FloatsThatAreReadStay) {
  const auto y = norm(2);
  EXPECT_EQ(run({m.node("Relu", {y}), rows(y)}), 1);
  EXPECT_EQ(m.graph.nodes()[0].outputs.size(), 3U);
}
TEST_F(NormQuantize, AGraphOutputStays) {
  const auto y = norm();
  EXPECT_EQ(run({rows(y), y}), 1);
  EXPECT_EQ(m.graph.nodes()[0].outputs.size(), 3U);
}
TEST_F(NormQuantize, RefusesAnotherAxis) { EXPECT_EQ(run({rows(norm(1, {3, 6}))}), 0); }
TEST_F(NormQuantize, RefusesAScaleThatIsSpread) { EXPECT_EQ(run({rows(norm(-1, {1}))}), 0); }
TEST_F(NormQuantize, RefusesANormThatNobodyQuantizes) { EXPECT_EQ(run({m.node("Relu", {norm()})}), 0); }

}  // namespace
}  // namespace edgeclip::builder
