#include "builder/passes/patch_embedding.h"

#include "builder/rewrite_support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

using Ints = std::vector<std::int64_t>;

/// Images (batch, 3, 8, 12) in patches of 4 x 2.
struct PatchEmbedding : ::testing::Test {
  RewriteMaker m;
  ValueId x = m.input("x", DType::f32, {-1, 3, 8, 12}, {"batch", "", "", ""});

  ValueId conv(std::map<std::string, Attribute> attributes = {}, bool bias = true) {
    attributes.emplace("strides", Ints{4, 2});
    std::vector<ValueId> inputs = {x, m.weights({5, 3, 4, 2})};
    if (bias) inputs.push_back(m.weights({5}));
    return m.node("Conv", inputs, std::move(attributes));
  }
  ValueId rows(ValueId planes, const Ints& perm = {0, 2, 1}) {
    return m.node("Transpose", {m.node("Reshape", {planes, m.ints({0, 5, -1})})}, {{"perm", perm}});
  }
  int run(std::vector<ValueId> outputs) { return rewrites_of(m, patch_embedding, std::move(outputs), {{2, 3, 8, 12}}); }
};

TEST_F(PatchEmbedding, IsAProductOfRows) {
  EXPECT_EQ(run({rows(conv())}), 1);
  EXPECT_EQ(count_ops(m.graph, "Conv"), 0);
  const Node& product = m.graph.nodes().back();
  EXPECT_TRUE(product.is("FusedMatMul", "edgeclip"));
  EXPECT_EQ(m.graph.value(product.inputs[1]).constant->shape(), (Shape{24, 5}));
  EXPECT_EQ(*ShapeFacts(m.graph).shape(product.outputs[0]), (Shape{-1, 12, 5}));
}
TEST_F(PatchEmbedding, WithoutBias) { EXPECT_EQ(run({rows(conv({{"auto_pad", std::string("VALID")}}, false))}), 1); }
TEST_F(PatchEmbedding, RefusesPatchesThatOverlapOrLeaveGaps) {
  EXPECT_EQ(run({rows(conv({{"strides", Ints{2, 2}}}))}), 0);
  EXPECT_EQ(run({rows(conv({{"strides", Ints{4, 3}}}))}), 0);
}
TEST_F(PatchEmbedding, RefusesPadding) {
  EXPECT_EQ(run({rows(conv({{"pads", Ints{0, 1, 0, 1}}}))}), 0);
  EXPECT_EQ(run({rows(conv({{"dilations", Ints{2, 1}}}))}), 0);
}
TEST_F(PatchEmbedding, RefusesARestOfTheImage) {
  m.graph.value(x).shape = Shape{-1, 3, 9, 12};
  EXPECT_EQ(rewrites_of(m, patch_embedding, {rows(conv())}, {{2, 3, 9, 12}}), 0);
}
TEST_F(PatchEmbedding, RefusesAnImageOfUnknownSize) {
  m.graph.value(x).shape = Shape{-1, 3, -1, 12};
  m.graph.value(x).symbols = {"batch", "", "height", ""};
  EXPECT_EQ(run({rows(conv())}), 0);
}
TEST_F(PatchEmbedding, RefusesOtherReaders) {
  const auto planes = conv();
  EXPECT_EQ(run({rows(planes), planes}), 0);
}
TEST_F(PatchEmbedding, RefusesAnotherOrder) {
  EXPECT_EQ(run({rows(conv(), {0, 1, 2})}), 0);
  EXPECT_EQ(run({rows(conv(), {1, 2, 0})}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
