#include "builder/passes/causal_attention.h"

#include <limits>

#include "builder/attention_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

/// 0 on and below the diagonal, `above` above it.
Tensor causal_mask(const Shape& shape, float above = std::numeric_limits<float>::lowest()) {
  Tensor mask(DType::f32, shape);
  const std::int64_t n = shape.back();
  for (std::int64_t i = 0; i < mask.elements(); ++i)
    mask.data<float>()[i] = i % n > i / n % shape[shape.size() - 2] ? above : 0.0F;
  return mask;
}

struct CausalAttention : ::testing::Test {
  test::AttentionMaker m;
  const ValueId x = m.x;

  int rewrites(ValueId mask) {
    return test::rewrites_of(m, causal_attention, {m.attention({x, x, x, mask})}, {{2, 5, 32}});
  }
  ValueId sliced(Tensor mask, std::int64_t start) {
    const auto length = m.node("Shape", {x}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
    const auto ends = m.node("Concat", {length, length}, {{"axis", std::int64_t{0}}});
    return m.node("Slice", {m.graph.add_constant("mask", std::move(mask)), m.ints({start, start}), ends,
                            m.ints({-2, -1})});
  }
};

TEST_F(CausalAttention, FirstRowsOfAConstant) {
  EXPECT_EQ(rewrites(sliced(causal_mask({1, 1, 9, 9}), 0)), 1);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(m.graph.nodes()[0].int_or("causal", 0), 1);
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 3U);
}
TEST_F(CausalAttention, TheConstantItself) {
  m = {};
  m.graph.value(x).shape = Shape{-1, 5, 32};
  m.graph.value(x).symbols = {"batch", "", ""};
  EXPECT_EQ(
      rewrites(m.graph.add_constant("mask", causal_mask({5, 5}, -std::numeric_limits<float>::infinity()))),
      1);
}
TEST_F(CausalAttention, RefusesASizeThatIsNotProved) {
  EXPECT_EQ(rewrites(m.graph.add_constant("mask", causal_mask({5, 5}))), 0);
}
TEST_F(CausalAttention, RefusesAMaskThatHidesLess) {
  EXPECT_EQ(rewrites(sliced(causal_mask({9, 9}, -100), 0)), 0);
}
TEST_F(CausalAttention, RefusesAMaskThatWeighs) {
  Tensor mask = causal_mask({9, 9});
  mask.data<float>()[9] = 1;
  EXPECT_EQ(rewrites(sliced(mask, 0)), 0);
}
TEST_F(CausalAttention, RefusesASliceThatStartsElsewhere) {
  m.graph.outputs = {m.attention({x, x, x, sliced(causal_mask({9, 9}), 1)})};
  annotate_shapes(m.graph);
  EXPECT_EQ(causal_attention(m.graph), 0);
}
TEST_F(CausalAttention, RefusesAMaskForEachHead) {
  EXPECT_EQ(rewrites(sliced(causal_mask({2, 9, 9}), 0)), 0);
}

}  // namespace
}  // namespace edgeclip::builder
