#include "builder/passes/fuse_l2_normalize.h"

#include <limits>

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct L2Normalize : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  ValueId norm(std::vector<std::int64_t> axes = {-1}, std::int64_t keepdims = 1) {
    return m.node("ReduceL2", {x}, {{"axes", axes}, {"keepdims", keepdims}});
  }
};

TEST_F(L2Normalize, Plain) { EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, norm()})}), 1); }
TEST_F(L2Normalize, ClipAndExpand) {
  const auto clipped = m.node("Clip", {norm(), m.scalar(1e-12F)});
  const auto wide = m.node("Expand", {clipped, m.node("Shape", {x})});
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, wide})}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].float_or("epsilon", 0), 1e-12F);
}
TEST_F(L2Normalize, Max) {
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, m.node("Max", {norm(), m.scalar(0.1F)})})}),
            1);
}
struct L2NormalizeOfSquares : L2Normalize {
  ValueId square() { return m.node("Pow", {x, m.scalar(2)}); }
  ValueId sum(ValueId squares, std::int64_t axis = -1) {
    return m.node("ReduceSum", {squares, m.constant<std::int64_t>({1}, {axis})},
                  {{"keepdims", std::int64_t{1}}});
  }
  int rewrites(ValueId root) { return rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, root})}); }
};
TEST_F(L2NormalizeOfSquares, PowAndPow) {
  EXPECT_EQ(rewrites(m.node("Pow", {sum(square()), m.scalar(0.5F)})), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].int_or("axis", 0), -1);
}
TEST_F(L2NormalizeOfSquares, MulAndSqrtWithABound) {
  const auto root = m.node("Sqrt", {sum(m.node("Mul", {x, x}))});
  EXPECT_EQ(rewrites(m.node("Clip", {root, m.scalar(0.1F)})), 1);
  EXPECT_EQ(m.graph.nodes()[0].float_or("epsilon", 0), 0.1F);
}
TEST_F(L2NormalizeOfSquares, ReduceSumSquare) {
  const auto sum = m.node("ReduceSumSquare", {x}, {{"axes", std::vector<std::int64_t>{1}}});
  EXPECT_EQ(rewrites(m.node("Sqrt", {sum})), 1);
}
TEST_F(L2NormalizeOfSquares, RefusesWhatIsNoNorm) {
  EXPECT_EQ(rewrites(m.node("Pow", {sum(square()), m.scalar(0.25F)})), 0);
  EXPECT_EQ(rewrites(m.node("Sqrt", {sum(m.node("Pow", {x, m.scalar(4)}))})), 0);
  EXPECT_EQ(rewrites(m.node("Sqrt", {sum(m.node("Mul", {square(), m.scalar(2)}))})), 0);
  EXPECT_EQ(rewrites(m.node("Add", {m.node("Sqrt", {sum(square())}), m.scalar(0.1F)})), 0);
}
TEST_F(L2NormalizeOfSquares, RefusesOtherReaders) {
  const auto squares = square();
  const auto root = m.node("Sqrt", {sum(squares)});
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, root}), squares}), 0);
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.graph.outputs[0], m.node("Exp", {root})}), 0);
}
TEST_F(L2Normalize, RefusesBoundsThatAreNone) {
  for (const float epsilon : {-1.0F, std::numeric_limits<float>::infinity()})
    EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, m.node("Clip", {norm(), m.scalar(epsilon)})})}), 0);
}
TEST_F(L2Normalize, RefusesABoundOfFloat64ThatFloat32DoesNotHold) {
  const auto wide = m.node("Cast", {x}, {{"to", std::int64_t{11}}});
  const auto length = m.node("ReduceL2", {wide}, {{"axes", std::vector<std::int64_t>{-1}}});
  const auto clipped = m.node("Clip", {length, m.constant<double>({}, {1e-50})});
  const auto y = m.node("Cast", {m.node("Div", {wide, clipped})}, {{"to", std::int64_t{1}}});
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {y}), 0);
}
TEST_F(L2Normalize, RefusesTwoAxes) {
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {m.node("Div", {x, norm({0, 1})})}), 0);
}
TEST_F(L2Normalize, RefusesDroppedDimensions) {
  const auto y = m.node("Div", {x, norm({0}, 0)});  // (4): broadcasts, but over another axis in general
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {y}), 0);
}
TEST_F(L2Normalize, RefusesAnUpperBound) {
  const auto y = m.node("Div", {x, m.node("Clip", {norm(), m.scalar(0.1F), m.scalar(1)})});
  EXPECT_EQ(rewrites_of(m, fuse_l2_normalize, {y}), 0);
}
TEST_F(L2Normalize, RefusesTheNormOfSomethingElse) {
  const auto other = m.node("Relu", {x});
  EXPECT_EQ(
      rewrites_of(m, fuse_l2_normalize, {m.node("Div", {other, m.node("Clip", {norm(), m.scalar(1)})})}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
