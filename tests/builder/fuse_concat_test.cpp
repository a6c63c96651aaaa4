#include "builder/passes/fuse_concat.h"

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

struct FuseConcat : ::testing::Test {
  RewriteMaker m;
  ValueId a = m.input("a", DType::f32, {-1, 2, 3}, {"batch", "", ""});
  ValueId b = m.input("b", DType::f32, {-1, 4, 3}, {"batch", "", ""});

  ValueId joined(std::int64_t axis = 1) { return m.node("Concat", {a, b}, {{"axis", axis}}); }
  ValueId affine(ValueId x, std::int64_t channels) {
    std::vector<float> scale, shift;
    for (std::int64_t c = 0; c < channels; ++c) {
      scale.push_back(1 + static_cast<float>(c));
      shift.push_back(static_cast<float>(-c));
    }
    return m.fused("ChannelAffine", {x, m.constant<float>({channels}, scale), m.constant<float>({channels}, shift)},
                 {{"activation", std::string("relu")}});
  }
  ValueId shuffled(ValueId x) { return m.fused("ChannelShuffle", {x}, {{"group", std::int64_t{2}}}); }
  int rewrites(std::vector<ValueId> outputs) {
    return rewrites_of(m, fuse_concat, std::move(outputs), {{2, 2, 3}, {2, 4, 3}});
  }
};

TEST_F(FuseConcat, IntoAffineAndShuffle) {
  EXPECT_EQ(rewrites({affine(joined(), 6), shuffled(joined(-2))}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 4U);
  EXPECT_EQ(m.graph.nodes()[1].inputs.size(), 2U);
}
TEST_F(FuseConcat, RefusesAnotherAxis) {
  const ValueId c = m.node("Concat", {a, a}, {{"axis", std::int64_t{2}}});
  EXPECT_EQ(rewrites({affine(c, 2)}), 0);
}
TEST_F(FuseConcat, RefusesOtherReadersAndOutputs) {
  const ValueId c = joined();
  EXPECT_EQ(rewrites({affine(c, 6), m.node("Exp", {c})}), 0);
  const ValueId d = joined();
  EXPECT_EQ(rewrites({shuffled(d), d}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
