#include "builder/passes/fuse_layer_norm.h"

#include <gtest/gtest.h>

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct LayerNorm : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 3, 4}, {"batch", "", ""});

  ValueId mean(ValueId v, std::int64_t axis = -1, std::int64_t keepdims = 1) {
    return m.node("ReduceMean", {v}, {{"axes", std::vector<std::int64_t>{axis}}, {"keepdims", keepdims}});
  }
  ValueId centred(std::int64_t axis = -1) { return m.node("Sub", {x, mean(x, axis)}); }
  ValueId square(ValueId v) { return m.node("Pow", {v, m.scalar(2)}); }
  ValueId with_epsilon(ValueId variance) { return m.node("Add", {variance, m.scalar(1e-3F)}); }
  ValueId root(ValueId d) { return m.node("Sqrt", {with_epsilon(mean(square(d)))}); }
  ValueId core() {
    const auto d = centred();
    return m.node("Div", {d, root(d)});
  }
  ValueId constant(const Shape& shape) { return m.graph.add_constant("c", ramp(shape)); }
  int fused(std::vector<ValueId> outputs) {
    return rewrites_of(m, fuse_layer_norm, std::move(outputs), {{2, 3, 4}});
  }
  void expect_one(std::size_t inputs) {
    ASSERT_EQ(m.graph.nodes().size(), 1U);
    const Node& node = m.graph.nodes()[0];
    EXPECT_TRUE(node.is("LayerNormalization"));
    EXPECT_EQ(node.inputs.size(), inputs);
    EXPECT_EQ(node.float_or("epsilon", 0), 1e-3F);
  }
};

TEST_F(LayerNorm, AsTorchExportsIt) {
  EXPECT_EQ(fused({m.node("Add", {m.node("Mul", {core(), constant({4})}), constant({4})})}), 3);
  expect_one(3);
}
TEST_F(LayerNorm, WithoutScaleAndBias) {
  EXPECT_EQ(fused({core()}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, ConstantsOnTheLeftWithMoreDimensions) {
  EXPECT_EQ(fused({m.node("Add", {constant({1, 4}), m.node("Mul", {constant({1, 1, 4}), core()})})}), 3);
  expect_one(3);
}
TEST_F(LayerNorm, AxesAsAnInput) {
  const auto axes = m.constant<std::int64_t>({1}, {2});  // the last one of three
  const auto average = [&](ValueId v) { return m.node("ReduceMean", {v, axes}, {}, 18); };
  const auto d = m.node("Sub", {x, average(x)});
  EXPECT_EQ(fused({m.node("Div", {d, m.node("Sqrt", {with_epsilon(average(square(d)))})})}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, SquareByMulAndRootByPow) {
  const auto d = centred();
  const auto variance = m.node("Add", {m.scalar(1e-3F), mean(m.node("Mul", {d, d}))});
  EXPECT_EQ(fused({m.node("Div", {d, m.node("Pow", {variance, m.scalar(0.5F)})})}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, TimesTheReciprocal) {
  const auto d = centred();
  EXPECT_EQ(fused({m.node("Mul", {m.node("Reciprocal", {root(d)}), d})}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, TimesAPower) {
  const auto d = centred();
  EXPECT_EQ(fused({m.node("Mul", {d, m.node("Pow", {with_epsilon(mean(square(d))), m.scalar(-0.5F)})})}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, CentredTwice) {
  const auto average = mean(x);
  const auto first = m.node("Sub", {x, average}), second = m.node("Sub", {x, average});
  EXPECT_EQ(fused({m.node("Div", {first, root(second)})}), 1);
  expect_one(2);
}
TEST_F(LayerNorm, TakesNoScaleBehindABias) {
  const auto y = m.node("Mul", {m.node("Add", {core(), constant({4})}), constant({4})});
  EXPECT_EQ(fused({y}), 2);
  EXPECT_EQ(count_ops(m.graph, "Mul"), 1);
}
TEST_F(LayerNorm, TakesNoSecondScale) {
  const auto y = m.node("Mul", {m.node("Mul", {core(), constant({4})}), constant({4})});
  EXPECT_EQ(fused({y}), 2);
  EXPECT_EQ(count_ops(m.graph, "Mul"), 1);
}
TEST_F(LayerNorm, TakesNoScaleOfOtherShapes) {
  EXPECT_EQ(fused({m.node("Mul", {core(), constant({3, 1})}), m.node("Mul", {core(), constant({3, 4})}),
                   m.node("Mul", {core(), constant({1, 1, 1, 4})})}),
            3);
  EXPECT_EQ(count_ops(m.graph, "Mul"), 3);
}

TEST_F(LayerNorm, RefusesOtherAxes) {
  const auto d = centred(1);
  EXPECT_EQ(fused({m.node("Div", {d, m.node("Sqrt", {with_epsilon(mean(square(d), 1))})})}), 0);
  const auto e = centred();
  EXPECT_EQ(fused({m.node("Div", {e, m.node("Sqrt", {with_epsilon(mean(square(e), 1))})})}), 0);
}
TEST_F(LayerNorm, RefusesDroppedDimensions) {
  GraphMaker g;
  const auto v = g.input("x", DType::f32, {4, 4});  // (4, 4) - (4) broadcasts along the wrong axis
  const std::map<std::string, Attribute> dropped = {{"axes", std::vector<std::int64_t>{-1}},
                                                    {"keepdims", std::int64_t{0}}};
  const auto d = g.node("Sub", {v, g.node("ReduceMean", {v}, dropped)});
  const auto variance = g.node("ReduceMean", {g.node("Mul", {d, d})}, dropped);
  const auto y = g.node("Div", {d, g.node("Sqrt", {g.node("Add", {variance, g.scalar(1)})})});
  EXPECT_EQ(rewrites_of(g, fuse_layer_norm, {y}, {{4, 4}}), 0);
}
TEST_F(LayerNorm, RefusesOtherReadersAndOutputs) {
  const auto d = centred();
  const auto r = root(d);
  const auto y = m.node("Div", {d, r});
  EXPECT_EQ(fused({y, d}), 0);
  EXPECT_EQ(fused({y, m.node("Exp", {r})}), 0);
}
TEST_F(LayerNorm, RefusesTheDeviationOfSomethingElse) {
  const auto d = centred(), other = m.node("Exp", {x});
  const auto e = m.node("Sub", {other, mean(other)});
  EXPECT_EQ(fused({m.node("Div", {d, root(e)})}), 0);
}
TEST_F(LayerNorm, RefusesAnotherPower) {
  const auto d = centred();
  const auto variance = with_epsilon(mean(m.node("Pow", {d, m.scalar(4)})));
  EXPECT_EQ(fused({m.node("Div", {d, m.node("Sqrt", {variance})})}), 0);
}
TEST_F(LayerNorm, RefusesALastDimensionThatIsNotKnown) {
  GraphMaker g;
  const auto v = g.input("x", DType::f32, {2, -1}, {"", "width"});
  const auto mean_of = [&](ValueId id) {
    return g.node("ReduceMean", {id}, {{"axes", std::vector<std::int64_t>{-1}}});
  };
  const auto d = g.node("Sub", {v, mean_of(v)});
  const auto variance = mean_of(g.node("Mul", {d, d}));
  const auto y = g.node("Div", {d, g.node("Sqrt", {g.node("Add", {variance, g.scalar(1)})})});
  EXPECT_EQ(rewrites_of(g, fuse_layer_norm, {y}, {{2, 4}}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
