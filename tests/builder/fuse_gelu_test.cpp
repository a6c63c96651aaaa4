#include "builder/passes/fuse_gelu.h"

#include "builder/passes/fuse_quick_gelu.h"
#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct Gelu : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  ValueId one_plus_erf(ValueId inside) { return m.node("Add", {m.node("Erf", {inside}), m.scalar(1)}); }
  ValueId divided() { return m.node("Div", {x, m.scalar(1.41421356F)}); }
};

TEST_F(Gelu, HalfLast) {
  const auto y = m.node("Mul", {m.node("Mul", {x, one_plus_erf(divided())}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 1);
  EXPECT_EQ(m.graph.nodes().size(), 1U);
}
TEST_F(Gelu, HalfFirst) {
  const auto half = m.node("Mul", {m.scalar(0.5F), x});
  const auto y = m.node("Mul", {half, one_plus_erf(m.node("Mul", {x, m.scalar(0.70710678F)}))});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 1);
}
TEST_F(Gelu, HalfOnTheErf) {
  const auto y = m.node("Mul", {m.node("Mul", {one_plus_erf(divided()), m.scalar(0.5F)}), x});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 1);
}
TEST_F(Gelu, DividedByTwo) {
  const auto y = m.node("Div", {m.node("Mul", {x, one_plus_erf(divided())}), m.scalar(2)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 1);
}
TEST_F(Gelu, RefusesAnotherConstant) {
  const auto y =
      m.node("Mul", {m.node("Mul", {x, one_plus_erf(m.node("Div", {x, m.scalar(1.5F)}))}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 0);
}
TEST_F(Gelu, RefusesAnotherFactor) {
  const auto y = m.node("Mul", {m.node("Mul", {x, one_plus_erf(divided())}), m.scalar(0.6F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 0);
}
TEST_F(Gelu, RefusesAnotherX) {
  const auto other = m.node("Relu", {x});
  const auto y = m.node("Mul", {m.node("Mul", {other, one_plus_erf(divided())}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 0);
}
TEST_F(Gelu, RefusesIntermediatesThatAreOutputs) {
  const auto inside = one_plus_erf(divided());
  const auto y = m.node("Mul", {m.node("Mul", {x, inside}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y, inside}), 0);
}
TEST_F(Gelu, RefusesIntermediatesWithOtherReaders) {
  const auto inside = one_plus_erf(divided());
  const auto y = m.node("Mul", {m.node("Mul", {x, inside}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y, m.node("Relu", {inside})}), 0);
}
TEST_F(Gelu, RefusesAConstantThatWidens) {
  const auto half = m.constant<float>({1, 1, 1}, {0.5F});
  const auto y = m.node("Mul", {m.node("Mul", {x, one_plus_erf(divided())}), half});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 0);
}

TEST_F(Gelu, RefusesAOneThatWidens) {
  const auto one = m.constant<float>({1, 1, 1}, {1});
  const auto y = m.node("Mul", {m.node("Mul", {x, m.node("Add", {m.node("Erf", {divided()}), one})}), m.scalar(0.5F)});
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y}), 0);
}

TEST_F(Gelu, OfOnnx) {
  const auto y = m.node("Gelu", {x}, {}, 20);
  const auto tanh = m.node("Gelu", {x}, {{"approximate", std::string("tanh")}}, 20);
  EXPECT_EQ(rewrites_of(m, fuse_gelu, {y, tanh}), 1);
  EXPECT_TRUE(m.graph.nodes()[0].is("Gelu", "edgeclip"));
  EXPECT_TRUE(m.graph.nodes()[1].is("Gelu"));
}

TEST_F(Gelu, Quick) {
  const auto y = m.node("Mul", {x, m.node("Sigmoid", {m.node("Mul", {x, m.scalar(1.702F)})})});
  EXPECT_EQ(rewrites_of(m, fuse_quick_gelu, {y}), 1);
  EXPECT_TRUE(m.graph.nodes()[0].is("QuickGelu", "edgeclip"));
}
TEST_F(Gelu, QuickRefusesSilu) {
  const auto y = m.node("Mul", {x, m.node("Sigmoid", {x})});
  EXPECT_EQ(rewrites_of(m, fuse_quick_gelu, {y}), 0);
}
TEST_F(Gelu, QuickRefusesAnotherConstant) {
  const auto y = m.node("Mul", {x, m.node("Sigmoid", {m.node("Mul", {x, m.scalar(1.7F)})})});
  EXPECT_EQ(rewrites_of(m, fuse_quick_gelu, {y}), 0);
}
TEST_F(Gelu, QuickRefusesIntermediatesThatAreOutputs) {
  const auto sigmoid = m.node("Sigmoid", {m.node("Mul", {x, m.scalar(1.702F)})});
  EXPECT_EQ(rewrites_of(m, fuse_quick_gelu, {m.node("Mul", {x, sigmoid}), sigmoid}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
