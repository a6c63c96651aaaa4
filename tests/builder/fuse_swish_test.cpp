#include "builder/passes/fuse_swish.h"

#include <gtest/gtest.h>

#include "builder/passes/fuse_hard_swish.h"
#include "builder/rewrite_support.h"

/// x times a gate of x: Swish and HardSwish.
namespace edgeclip::builder {

using namespace engine;

namespace {

struct Gates : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
};

TEST_F(Gates, Silu) {
  EXPECT_EQ(rewrites_of(m, fuse_swish, {m.node("Mul", {x, m.node("Sigmoid", {x})})}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_TRUE(m.graph.nodes()[0].is("Swish"));
}
TEST_F(Gates, SwishOfAnotherFactor) {
  const auto gate = m.node("Sigmoid", {m.node("Mul", {m.scalar(0.5F), x})});
  EXPECT_EQ(rewrites_of(m, fuse_swish, {m.node("Mul", {gate, x})}), 1);
  EXPECT_EQ(m.graph.nodes()[0].float_or("alpha", 0), 0.5F);
}
TEST_F(Gates, RefuseAFactorThatIsNoNumber) {
  const auto gate = m.node("Sigmoid", {m.node("Div", {x, m.scalar(1e-39F)})});
  m.graph.outputs = {m.node("Mul", {gate, x})};
  annotate_shapes(m.graph);
  EXPECT_EQ(fuse_swish(m.graph), 0);
}
TEST_F(Gates, HardSwishInEveryGrouping) {
  const auto clip = [&] {
    return m.node("Clip", {m.node("Add", {x, m.scalar(3)}), m.scalar(0), m.scalar(6)});
  };
  const auto sixth = m.scalar(1.0F / 6);
  EXPECT_EQ(rewrites_of(m, fuse_hard_swish,
                        {m.node("Div", {m.node("Mul", {x, clip()}), m.scalar(6)}),
                         m.node("Mul", {m.node("Mul", {x, sixth}), clip()}),
                         m.node("Mul", {m.node("Div", {clip(), m.scalar(6)}), x}),
                         m.node("Mul", {m.node("HardSigmoid", {x}, {{"alpha", 1.0F / 6}}), x})}),
            4);
  EXPECT_EQ(m.graph.nodes().size(), 4U);
}

TEST_F(Gates, RefuseOtherReaders) {
  const auto sigmoid = m.node("Sigmoid", {x});
  EXPECT_EQ(rewrites_of(m, fuse_swish, {m.node("Mul", {x, sigmoid}), sigmoid}), 0);
  const auto gate = m.node("HardSigmoid", {x}, {{"alpha", 1.0F / 6}});
  EXPECT_EQ(rewrites_of(m, fuse_hard_swish, {m.node("Mul", {x, gate}), m.node("Exp", {gate})}), 0);
}
TEST_F(Gates, RefuseAnotherX) {
  const auto other = m.node("Exp", {x});
  EXPECT_EQ(rewrites_of(m, fuse_swish, {m.node("Mul", {other, m.node("Sigmoid", {x})})}), 0);
  const auto gate = m.node("HardSigmoid", {x}, {{"alpha", 1.0F / 6}});
  EXPECT_EQ(rewrites_of(m, fuse_hard_swish, {m.node("Mul", {other, gate})}), 0);
}
TEST_F(Gates, RefuseOtherConstants) {
  const auto hard = [&](float alpha, float beta) {
    return m.node("Mul", {x, m.node("HardSigmoid", {x}, {{"alpha", alpha}, {"beta", beta}})});
  };
  const auto clipped = [&](float shift, float high, float divisor) {
    const auto clip = m.node("Clip", {m.node("Add", {x, m.scalar(shift)}), m.scalar(0), m.scalar(high)});
    return m.node("Div", {m.node("Mul", {x, clip}), m.scalar(divisor)});
  };
  EXPECT_EQ(rewrites_of(m, fuse_hard_swish,
                        {hard(0.2F, 0.5F), hard(1.0F / 6, 0.4F), clipped(2, 6, 6), clipped(3, 5, 6),
                         clipped(3, 6, 5)}),
            0);
}
TEST_F(Gates, RefuseAConstantThatWidens) {
  const auto wide = m.constant<float>({1, 1, 1}, {3});
  const auto clip = m.node("Clip", {m.node("Add", {x, wide}), m.scalar(0), m.scalar(6)});
  EXPECT_EQ(rewrites_of(m, fuse_hard_swish, {m.node("Div", {m.node("Mul", {x, clip}), m.scalar(6)})}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
