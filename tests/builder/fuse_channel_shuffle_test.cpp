#include "builder/passes/fuse_channel_shuffle.h"

#include <gtest/gtest.h>

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

using Ints = std::vector<std::int64_t>;

struct ChannelShuffle : ::testing::Test {
  RewriteMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 6, 2, 5}, {"batch", "", "", ""});

  ValueId reshaped(ValueId v, const Ints& shape) {
    return m.node("Reshape", {v, m.ints(shape)});
  }
  ValueId turned(ValueId v, const Ints& perm) { return m.node("Transpose", {v}, {{"perm", perm}}); }
  int fused(std::vector<ValueId> outputs, const Shape& shape = {2, 6, 2, 5}) {
    return rewrites_of(m, fuse_channel_shuffle, std::move(outputs), {shape});
  }
};

TEST_F(ChannelShuffle, OfAPlane) {
  EXPECT_EQ(fused({reshaped(turned(reshaped(x, {-1, 2, 3, 2, 5}), {0, 2, 1, 3, 4}), {-1, 6, 2, 5})}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_TRUE(m.graph.nodes()[0].is("ChannelShuffle", "edgeclip"));
  EXPECT_EQ(m.graph.nodes()[0].int_or("group", 0), 2);
}
TEST_F(ChannelShuffle, OfALineWithShapesThatAreComputed) {
  GraphMaker g;
  const auto v = g.input("x", DType::f32, {3, 6, -1}, {"", "", "length"});
  const auto shape = g.node("Shape", {v});
  const auto length =
      g.node("Slice", {shape, g.constant<std::int64_t>({1}, {2}), g.constant<std::int64_t>({1}, {3})});
  const auto wide =
      g.node("Concat", {g.constant<std::int64_t>({3}, {3, 3, 2}), length}, {{"axis", std::int64_t{0}}});
  const auto groups = g.node("Reshape", {v, wide});
  const auto turned = g.node("Transpose", {groups}, {{"perm", Ints{0, 2, 1, 3}}});
  EXPECT_EQ(rewrites_of(g, fuse_channel_shuffle, {g.node("Reshape", {turned, shape})}, {{3, 6, 4}}), 1);
  EXPECT_EQ(g.graph.nodes().size(), 1U);
  EXPECT_EQ(g.graph.nodes()[0].int_or("group", 0), 3);
}
TEST_F(ChannelShuffle, RefusesAnotherOrder) {
  EXPECT_EQ(fused({reshaped(turned(reshaped(x, {-1, 2, 3, 2, 5}), {0, 1, 3, 2, 4}), {-1, 6, 2, 5})}), 0);
}
TEST_F(ChannelShuffle, RefusesGroupsThatCrossThePlane) {
  // (N, 3, 4, 5) has as many elements as (N, 6, 2, 5), in other places
  EXPECT_EQ(fused({reshaped(turned(reshaped(x, {-1, 3, 4, 5, 1}), {0, 2, 1, 3, 4}), {-1, 6, 2, 5})}), 0);
}
TEST_F(ChannelShuffle, RefusesAnotherShapeInTheEnd) {
  EXPECT_EQ(fused({reshaped(turned(reshaped(x, {-1, 2, 3, 2, 5}), {0, 2, 1, 3, 4}), {-1, 6, 10})}), 0);
  EXPECT_EQ(fused({reshaped(turned(reshaped(x, {-1, 2, 3, 2, 5}), {0, 2, 1, 3, 4}), {-1, 6, 5, 2})}), 0);
}
TEST_F(ChannelShuffle, RefusesOtherReadersAndOutputs) {
  const auto groups = reshaped(x, {-1, 2, 3, 2, 5});
  const auto shuffled = turned(groups, {0, 2, 1, 3, 4});
  const auto y = reshaped(shuffled, {-1, 6, 2, 5});
  EXPECT_EQ(fused({y, shuffled}), 0);
  EXPECT_EQ(fused({y, m.node("Exp", {groups})}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
