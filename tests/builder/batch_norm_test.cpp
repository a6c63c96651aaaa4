#include <gtest/gtest.h>

#include <limits>

#include "builder/passes/batch_norm_to_affine.h"
#include "builder/passes/fold_affine.h"
#include "builder/passes/fuse_affine.h"
#include "builder/passes/fuse_conv.h"
#include "builder/passes/passes.h"
#include "builder/rewrite_support.h"
#include "engine/ops/activation.h"

/// BatchNormalization on its way: ChannelAffine, into a convolution, or with an activation of its own.
namespace edgeclip::builder {

using namespace engine;

namespace {

int fold(Graph& graph) { return batch_norm_to_affine(graph) + fold_affine(graph); }

struct BatchNorm : ::testing::Test {
  GraphMaker m;
  const std::vector<Shape> shapes = {{2, 4, 5, 5}};
  ValueId x = m.input("x", DType::f32, {-1, 4, 5, 5}, {"batch", "", "", ""});
  ValueId w = m.graph.add_constant("w", ramp({6, 4, 3, 3}, 0.1F));
  ValueId b = m.graph.add_constant("b", ramp({6}));

  ValueId norm(ValueId v, std::int64_t channels, std::map<std::string, Attribute> attributes = {},
               int opset = 17) {
    Tensor variance = ramp({channels}, 0.5F);
    for (std::int64_t c = 0; c < channels; ++c) variance.data<float>()[c] += 1;
    const auto constant = [&](const char* name, Tensor t) {
      return m.graph.add_constant(name, std::move(t));
    };
    return m.node("BatchNormalization",
                  {v, constant("gamma", ramp({channels}, 1)), constant("beta", ramp({channels}, 0.7F)),
                   constant("mean", ramp({channels}, 0.3F)), constant("variance", std::move(variance))},
                  std::move(attributes), opset);
  }
  int rewrites(int (*pass)(Graph&), std::vector<ValueId> outputs) {
    return rewrites_of(m, pass, std::move(outputs), shapes);
  }
};

TEST_F(BatchNorm, BecomesAnAffineOfChannels) {
  EXPECT_EQ(rewrites(batch_norm_to_affine, {norm(x, 4, {{"epsilon", 1e-3F}})}), 1);
  EXPECT_TRUE(m.graph.nodes()[0].is("ChannelAffine", "edgeclip"));
}
TEST_F(BatchNorm, OfOldOpsets) {
  EXPECT_EQ(rewrites(batch_norm_to_affine, {norm(x, 4, {{"is_test", std::int64_t{1}}}, 6)}), 1);
  EXPECT_EQ(rewrites(batch_norm_to_affine, {norm(m.graph.inputs[0], 4, {{"spatial", std::int64_t{1}}}, 8)}),
            1);
}
TEST_F(BatchNorm, RefusesTraining) {
  m.graph.outputs = {norm(x, 4, {{"training_mode", std::int64_t{1}}}), norm(x, 4, {}, 6)};
  EXPECT_EQ(batch_norm_to_affine(m.graph), 0);
  const auto y = norm(x, 4);
  for (const char* name : {"running mean", "running variance"}) {
    Value value;
    value.name = name;
    const auto id = m.graph.add_value(std::move(value));
    m.graph.nodes().back().outputs.push_back(id);
  }
  m.graph.outputs = {y};
  EXPECT_EQ(batch_norm_to_affine(m.graph), 0);
}
TEST_F(BatchNorm, RefusesStatisticsThatAreNoConstantsOrNotFinite) {
  const auto mean = m.input("mean", DType::f32, {4});
  const auto y = norm(x, 4), z = norm(x, 4);
  m.graph.nodes()[0].inputs[3] = mean;
  m.graph.value(m.graph.nodes()[1].inputs[4]).constant->data<float>()[1] = -1;
  m.graph.outputs = {y, z};
  EXPECT_EQ(batch_norm_to_affine(m.graph), 0);
}

TEST_F(BatchNorm, GoesIntoTheConvolution) {
  EXPECT_EQ(rewrites(fold, {norm(m.node("Conv", {x, w, b}, {{"pads", std::vector<std::int64_t>(4, 1)}}), 6)}),
            2);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_TRUE(m.graph.nodes()[0].is("Conv"));
}
TEST_F(BatchNorm, GivesTheConvolutionABias) {
  EXPECT_EQ(rewrites(fold, {norm(m.node("Conv", {x, w}), 6)}), 2);
  EXPECT_EQ(m.graph.nodes()[0].inputs.size(), 3U);
}
TEST_F(BatchNorm, GoesIntoGroups) {
  const auto grouped = m.graph.add_constant("grouped", ramp({6, 2, 3, 3}, 0.1F));
  EXPECT_EQ(rewrites(fold, {norm(m.node("Conv", {x, grouped}, {{"group", std::int64_t{2}}}), 6)}), 2);
}
TEST_F(BatchNorm, GoesIntoTransposedConvolutions) {
  const auto grouped = m.graph.add_constant("grouped", ramp({4, 3, 3, 3}, 0.1F));
  const auto v = m.node("ConvTranspose", {x, grouped, b}, {{"group", std::int64_t{2}}});
  EXPECT_EQ(rewrites(fold, {norm(v, 6)}), 2);
  EXPECT_TRUE(m.graph.nodes()[0].is("ConvTranspose"));
}
TEST_F(BatchNorm, GoesIntoAConvolutionWithItsActivation) {
  const auto y = m.node("Relu", {norm(m.node("Conv", {x, w}), 6)});
  const auto pass = [](Graph& g) { return batch_norm_to_affine(g) + fuse_affine(g) + fold_affine(g); };
  EXPECT_EQ(rewrites(pass, {y}), 3);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(activation_of(m.graph.nodes()[0]), Activation::kRelu);
}
TEST_F(BatchNorm, GoesIntoAFusedConvWithoutActivation) {
  const auto bias = m.graph.add_constant("bias", ramp({6, 1, 1}));
  const auto y = norm(m.node("Add", {m.node("Conv", {x, w}), bias}), 6);
  EXPECT_EQ(rewrites([](Graph& g) { return fuse_conv(g) + fold(g); }, {y}), 3);
  EXPECT_EQ(m.graph.nodes().size(), 1U);
}
TEST_F(BatchNorm, LeavesSharedWeightsToTheOther) {
  const auto y = norm(m.node("Conv", {x, w}), 6);
  EXPECT_EQ(rewrites(fold, {y, m.node("Conv", {x, w})}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
}
TEST_F(BatchNorm, StaysBehindAnActivation) {
  const auto y = norm(m.node("Relu", {m.node("Conv", {x, w})}), 6);
  EXPECT_EQ(rewrites([](Graph& g) { return fuse_conv(g) + fold(g); }, {y}), 2);
  EXPECT_EQ(count_ops(m.graph, "ChannelAffine"), 1);
}
TEST_F(BatchNorm, StaysBehindAConvolutionWithOtherReaders) {
  const auto v = m.node("Conv", {x, w});
  EXPECT_EQ(rewrites(fold, {norm(v, 6), v}), 1);
  EXPECT_EQ(count_ops(m.graph, "ChannelAffine"), 1);
}
TEST_F(BatchNorm, StaysBehindAResidual) {
  const auto same = m.graph.add_constant("same", ramp({4, 4, 1, 1}, 0.1F));
  const auto y = norm(m.node("Add", {m.node("Conv", {x, same}), x}), 4);
  EXPECT_EQ(rewrites([](Graph& g) { return fuse_conv(g) + fold(g); }, {y}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
}
TEST_F(BatchNorm, StaysBehindWeightsThatAreNoConstants) {
  const auto v = m.input("v", DType::f32, {6, 4, 3, 3});
  EXPECT_EQ(rewrites_of(m, fold, {norm(m.node("Conv", {x, v}), 6)}, {shapes[0], {6, 4, 3, 3}}), 1);
}

TEST_F(BatchNorm, TakesInItsActivation) {
  EXPECT_EQ(rewrites([](Graph& g) { return fold(g) + fuse_affine(g); }, {m.node("Relu", {norm(x, 4)})}), 2);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_EQ(activation_of(m.graph.nodes()[0]), Activation::kRelu);
}
TEST_F(BatchNorm, TakesInOneActivationThatNobodyElseNeedsBare) {
  const auto pass = [](Graph& g) { return fold(g) + fuse_affine(g); };
  EXPECT_EQ(rewrites(pass, {m.node("Tanh", {m.node("Relu", {norm(x, 4)})})}), 2);
  EXPECT_EQ(count_ops(m.graph, "Tanh"), 1);
  const auto y = norm(m.graph.inputs[0], 4);
  EXPECT_EQ(rewrites(pass, {y, m.node("Relu", {y})}), 1);
}

/// Weights that only become constants at the end of a round.
TEST_F(BatchNorm, GoesIntoWeightsThatAreFoldedLater) {
  std::vector<std::int8_t> bytes(6 * 4 * 3 * 3);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::int8_t>(i * 37 % 100);
  const auto q = m.node("DequantizeLinear", {m.constant<std::int8_t>({6, 4, 3, 3}, bytes), m.scalar(0.001F)});
  const auto y = m.node("Relu", {norm(m.node("Conv", {x, q}), 6)});
  rewrites_of(
      m, [](Graph& g) { return static_cast<int>(optimize(g).size()); }, {y}, shapes);
  ASSERT_EQ(m.graph.nodes().size(), 1U);
  EXPECT_TRUE(m.graph.nodes()[0].is("FusedConv", "edgeclip"));
}

}  // namespace
}  // namespace edgeclip::builder
