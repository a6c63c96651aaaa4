#include "builder/passes/fuse_token_merge.h"

#include <numeric>

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// The pattern, one thing of it changed at a time.
struct FuseTokenMerge : ::testing::Test {
  static constexpr std::int64_t kTokens = 9, kSources = 5, kTargets = 4, kWidth = 6, kHeads = 2;

  RewriteMaker m;
  ValueId x = m.input("x", DType::f32, {-1, kTokens, kWidth}, {"batch", "", ""});
  ValueId keys = m.input("keys", DType::f32, {-1, kTokens, 8}, {"batch", "", ""});
  ValueId raw = m.input("raw", DType::f32, {-1, kTokens, 1}, {"batch", "", ""});

  // what a test may change
  std::int64_t stay = 3, head_axis = 2, largest_first = 1, kept_largest = 0, order_largest = 0;
  float guard = -4, one = 1;
  bool other_targets = false, swapped_numbers = false, swapped = false;
  ValueId units = kNoValue, keep = kNoValue, merged_sizes = kNoValue, rows = kNoValue;

  ValueId slice(ValueId of, std::int64_t start, std::int64_t end, std::int64_t axis, std::int64_t by) {
    return m.node("Slice", {of, m.ints({start}), m.ints({end}), m.ints({axis}), m.ints({by})});
  }
  std::pair<ValueId, ValueId> top(ValueId of, std::int64_t k, std::int64_t axis, std::int64_t largest) {
    const ValueId values = m.node("TopK", {of, m.ints({k})}, {{"axis", axis}, {"largest", largest}});
    Value indices;
    indices.name = m.graph.value(values).name + "/indices";
    const ValueId id = m.graph.add_value(std::move(indices));
    m.graph.nodes().back().outputs.push_back(id);
    return {values, id};
  }
  ValueId numbers(std::int64_t n, Shape shape) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(n));
    std::iota(values.begin(), values.end(), 0);
    if (swapped_numbers) std::swap(values[values.size() - 1], values[values.size() - 2]);
    return m.constant<std::int64_t>(shape, values);
  }
  ValueId one_hot(ValueId of, ValueId numbers) {
    return m.node("Cast", {m.node("Equal", {of, numbers})}, {{"to", std::int64_t{1}}});
  }
  ValueId turned(ValueId of) {
    return m.node("Transpose", {of}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
  }

  /// y; the other results are left in the members.
  ValueId pattern() {
    const auto sizes = m.node("Exp", {raw});
    const auto heads = m.node("Reshape", {keys, m.ints({0, 0, kHeads, 4})});
    const auto mean = m.node("ReduceMean", {heads}, {{"axes", std::vector<std::int64_t>{head_axis}}, {"keepdims", std::int64_t{0}}});
    units = m.fused("L2Normalize", {mean}, {{"axis", std::int64_t{-1}}, {"epsilon", 1e-6F}});
    const auto likeness = m.node("MatMul", {slice(units, 0, kTokens, 1, 2), turned(slice(units, 1, kTokens, 1, 2))});
    const auto [most, nearest] = top(likeness, 1, 2, largest_first);
    std::vector<float> first(kSources, 0);
    first[0] = guard;
    const auto guarded = m.node("Add", {most, m.constant<float>({kSources, 1}, first)});
    const auto kept = top(top(guarded, stay, 1, kept_largest).second, stay, 1, order_largest).first;
    keep = one_hot(kept, numbers(kSources, {kSources}));
    const auto merged = m.node("Sub", {m.scalar(one), m.node("ReduceSum", {keep, m.ints({1})})});
    const auto move = m.node("Mul", {one_hot(turned(nearest), numbers(kTargets, {kTargets, 1})), merged});
    const auto all = m.node("Concat", {m.node("Mul", {x, sizes}), sizes}, {{"axis", std::int64_t{2}}});
    const auto even = slice(all, 0, kTokens, 1, 2), odd = slice(all, 1, kTokens, 1, 2);
    const auto targets = m.node("Add", {m.node("MatMul", {move, even}), other_targets ? slice(all, 0, kTokens - 1, 1, 2) : odd});
    const auto sources = m.node("MatMul", {keep, even});
    rows = m.node("Concat", swapped ? std::vector{targets, sources} : std::vector{sources, targets}, {{"axis", std::int64_t{1}}});
    merged_sizes = slice(rows, kWidth, kWidth + 1, 2, 1);
    return m.node("Div", {slice(rows, 0, kWidth, 2, 1), merged_sizes});
  }
  int rewrites(std::vector<ValueId> outputs) {
    return rewrites_of(m, fuse_token_merge, std::move(outputs), {{2, kTokens, kWidth}, {2, kTokens, 8}, {2, kTokens, 1}});
  }
};

TEST_F(FuseTokenMerge, BecomesOneNode) {
  const auto y = pattern();
  m.graph.nodes().back().origins = {"quotient"};
  ASSERT_EQ(rewrites({y, merged_sizes}), 1);
  ASSERT_EQ(m.graph.nodes().size(), 2U);
  const Node& node = m.graph.nodes()[1];
  EXPECT_TRUE(node.is("TokenMerge", "edgeclip"));
  EXPECT_EQ(node.inputs, (std::vector<ValueId>{m.graph.inputs[0], m.graph.inputs[1], m.graph.nodes()[0].outputs[0]}));
  EXPECT_EQ(node.int_or("num_heads", 0), kHeads);
  EXPECT_EQ(node.int_or("count", 0), 2);
  EXPECT_EQ(node.float_or("epsilon", 0), 1e-6F);
  EXPECT_NE(std::find(node.origins.begin(), node.origins.end(), "quotient"), node.origins.end());
}
TEST_F(FuseTokenMerge, SizesThatNobodyReads) { EXPECT_EQ(rewrites({pattern()}), 1); }
TEST_F(FuseTokenMerge, OneAfterTheOther) {
  const auto y = pattern();
  const auto sizes = merged_sizes;
  x = m.node("Sin", {x});
  const auto z = pattern();
  EXPECT_EQ(rewrites({y, sizes, z, merged_sizes}), 2);
}
TEST_F(FuseTokenMerge, HeadsThatSomebodyElseReads) {
  const auto y = pattern();
  EXPECT_EQ(rewrites({y, m.node("Relu", {m.graph.nodes()[1].outputs[0]})}), 1);
}
TEST_F(FuseTokenMerge, RefusesTheMeanOverAnotherAxis) {
  head_axis = 3;  // then what is left of a key has as many elements as there are heads
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesAFirstRowThatMayBeMerged) {
  guard = 0;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesTheLeastAlike) {
  kept_largest = 1;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesTheFarthest) {
  largest_first = 0;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesAnotherOrder) {
  order_largest = 1;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesOtherNumbers) {
  swapped_numbers = true;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesOtherTargets) {
  other_targets = true;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesTargetsBeforeSources) {
  swapped = true;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesToMoveTwice) {
  one = 2;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesWhereNothingIsMerged) {
  stay = kSources;
  EXPECT_EQ(rewrites({pattern()}), 0);
}
TEST_F(FuseTokenMerge, RefusesOtherReaders) {
  for (ValueId FuseTokenMerge::*inside : {&FuseTokenMerge::units, &FuseTokenMerge::keep, &FuseTokenMerge::rows}) {
    const auto y = pattern();
    EXPECT_EQ(rewrites({y, this->*inside}), 0);
  }
}
TEST_F(FuseTokenMerge, RefusesTokensThatAreNotKnown) {
  m.graph.value(x).shape = Shape{-1, -1, kWidth};
  m.graph.value(x).symbols = {"batch", "tokens", ""};
  EXPECT_EQ(rewrites({pattern()}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
