#include "builder/passes/fuse_masked_softmax.h"

#include <limits>

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct MaskedSoftmax : ::testing::Test {
  GraphMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 4}, {"batch", ""});
  ValueId mask = m.constant<float>({1, 4}, {0, -1, -9, 2});

  ValueId softmax(ValueId of, std::int64_t axis = -1) {
    return m.node("Softmax", {of}, {{"axis", axis}});
  }
  ValueId safe(ValueId softmax, float zero = 0) {
    return m.node("Where", {m.node("IsNaN", {softmax}), m.scalar(zero), softmax});
  }
};

TEST_F(MaskedSoftmax, AddAndSoftmax) {
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {softmax(m.node("Add", {mask, x}), 1)}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_TRUE(m.graph.nodes()[0].is("MaskedSoftmax", "edgeclip"));
  EXPECT_EQ(m.graph.nodes()[0].int_or("safe", 2), 0);
}
TEST_F(MaskedSoftmax, RowsThatAreMaskedAltogetherAreZeros) {
  const auto all = m.constant<float>({2, 4}, {0, 0, 0, 0, -kInfinity, -kInfinity, -kInfinity, -kInfinity});
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {safe(softmax(m.node("Add", {x, m.node("Mul", {all, m.scalar(1)})})))}), 1);
  EXPECT_EQ(m.graph.nodes().back().int_or("safe", 2), 1);
}
TEST_F(MaskedSoftmax, SafeWithoutMask) {
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {safe(softmax(x))}), 1);
  EXPECT_EQ(m.graph.nodes().size(), 1U);
}
TEST_F(MaskedSoftmax, RefusesAnotherAxis) {
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {softmax(m.node("Add", {x, mask}), 0)}), 0);
}
TEST_F(MaskedSoftmax, RefusesAMaskThatWidens) {
  const auto wide = m.constant<float>({2, 1, 4}, std::vector<float>(8, 1));
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {softmax(m.node("Add", {x, wide}))}), 0);
}
TEST_F(MaskedSoftmax, RefusesOtherReaders) {
  const auto sum = m.node("Add", {x, mask});
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {softmax(sum), sum}), 0);
  const auto result = softmax(x);
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {safe(result), result}), 0);
}
TEST_F(MaskedSoftmax, RefusesAnotherValueThanZero) {
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {safe(softmax(x), 1)}), 0);
}
TEST_F(MaskedSoftmax, BothFormsInOneGraph) {
  // The first rewrite numbers values anew; the second must not take them for those of before.
  const auto widened = m.constant<float>({1, 4}, {0, 0, 0, 0});
  const auto first = safe(softmax(m.node("Add", {x, widened})));
  const auto b = m.node("Relu", {m.node("Unsqueeze", {x, m.constant<std::int64_t>({1}, {1})})});
  const auto second = softmax(m.node("Add", {b, mask}), 1);  // an axis of one: not the last
  const auto third = softmax(m.node("Add", {b, mask}));
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {first, second, third}), 2);
}
TEST_F(MaskedSoftmax, RefusesFloat64) {
  const auto y = m.node("Cast", {x}, {{"to", std::int64_t{11}}});
  const auto result = softmax(y);
  const auto zeros = m.node("Where", {m.node("IsNaN", {result}), m.constant<double>({}, {0}), result});
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {m.node("Cast", {zeros}, {{"to", std::int64_t{1}}})}), 0);
}
TEST_F(MaskedSoftmax, RefusesAPlainSoftmax) {
  EXPECT_EQ(rewrites_of(m, fuse_masked_softmax, {softmax(x)}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
