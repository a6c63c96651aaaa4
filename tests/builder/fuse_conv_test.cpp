#include "builder/passes/fuse_conv.h"

#include <gtest/gtest.h>

#include <limits>

#include "builder/passes/fuse_gelu.h"
#include "builder/passes/fuse_hard_swish.h"
#include "builder/passes/fuse_quick_gelu.h"
#include "builder/passes/fuse_swish.h"
#include "builder/rewrite_support.h"
#include "engine/ops/activation.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct FusedConv : ::testing::Test {
  GraphMaker m;
  const std::vector<Shape> shapes = {{2, 4, 5, 6}};
  ValueId x = m.input("x", DType::f32, {-1, 4, 5, 6}, {"batch", "", "", ""});
  ValueId w = m.graph.add_constant("w", ramp({4, 4, 3, 3}, 0.1F));
  ValueId b = m.graph.add_constant("b", ramp({4}));

  ValueId conv(std::vector<ValueId> inputs) {
    return m.node("Conv", std::move(inputs), {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}});
  }
  ValueId conv() { return conv({x, w, b}); }
  int fused(std::vector<ValueId> outputs) { return rewrites_of(m, fuse_conv, std::move(outputs), shapes); }
  const Node& only() const {
    EXPECT_EQ(m.graph.nodes().size(), 1U);
    EXPECT_TRUE(m.graph.nodes()[0].is("FusedConv", "edgeclip")) << m.graph.nodes()[0].op;
    return m.graph.nodes()[0];
  }

  /// The activation that the convolution took in with all its nodes.
  Activation taken_in(ValueId y) {
    const auto pass = [](Graph& g) {
      return fuse_gelu(g) + fuse_quick_gelu(g) + fuse_swish(g) + fuse_hard_swish(g) + fuse_conv(g);
    };
    EXPECT_GE(rewrites_of(m, pass, {y}, shapes), 1);
    return activation_of(only());
  }
  ValueId relu6_of_x_plus_3(ValueId v) {
    return m.node("Clip", {m.node("Add", {v, m.scalar(3)}), m.scalar(0), m.scalar(6)});
  }
};

TEST_F(FusedConv, Relu) { EXPECT_EQ(taken_in(m.node("Relu", {conv()})), Activation::kRelu); }
TEST_F(FusedConv, ClipOfInputs) {
  EXPECT_EQ(taken_in(m.node("Clip", {conv(), m.scalar(0), m.scalar(6)})),
            Activation(Activation::kClip, 0, 6));
}
TEST_F(FusedConv, ClipOfAttributes) {
  EXPECT_EQ(taken_in(m.node("Clip", {conv()}, {{"min", -1.0F}, {"max", 1.0F}}, 10)),
            Activation(Activation::kClip, -1, 1));
}
TEST_F(FusedConv, ClipFromAbove) {
  EXPECT_EQ(taken_in(m.node("Clip", {conv(), kNoValue, m.scalar(0.5F)})),
            Activation(Activation::kClip, -kInfinity, 0.5F));
}
TEST_F(FusedConv, ClipAtZeroIsRelu) {
  EXPECT_EQ(taken_in(m.node("Clip", {conv(), m.scalar(0)})), Activation::kRelu);
}
TEST_F(FusedConv, LeakyRelu) {
  EXPECT_EQ(taken_in(m.node("LeakyRelu", {conv()}, {{"alpha", 0.1F}})),
            Activation(Activation::kLeakyRelu, 0.1F));
}
TEST_F(FusedConv, Sigmoid) { EXPECT_EQ(taken_in(m.node("Sigmoid", {conv()})), Activation::kSigmoid); }
TEST_F(FusedConv, HardSigmoid) {
  EXPECT_EQ(taken_in(m.node("HardSigmoid", {conv()})), Activation(Activation::kHardSigmoid, 0.2F, 0.5F));
}
TEST_F(FusedConv, HardSwish) { EXPECT_EQ(taken_in(m.node("HardSwish", {conv()})), Activation::kHardSwish); }
TEST_F(FusedConv, HardSwishByHardSigmoid) {
  const auto v = conv();
  const auto gate = m.node("HardSigmoid", {v}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}});
  EXPECT_EQ(taken_in(m.node("Mul", {v, gate})), Activation::kHardSwish);
}
TEST_F(FusedConv, HardSwishByClip) {
  const auto v = conv();
  EXPECT_EQ(taken_in(m.node("Div", {m.node("Mul", {v, relu6_of_x_plus_3(v)}), m.scalar(6)})),
            Activation::kHardSwish);
}
TEST_F(FusedConv, HardSwishByClipDividedFirst) {
  const auto v = conv();
  EXPECT_EQ(taken_in(m.node("Mul", {m.node("Div", {relu6_of_x_plus_3(v), m.scalar(6)}), v})),
            Activation::kHardSwish);
}
TEST_F(FusedConv, Silu) {
  const auto v = conv();
  EXPECT_EQ(taken_in(m.node("Mul", {m.node("Sigmoid", {v}), v})), Activation(Activation::kSwish, 1));
}
TEST_F(FusedConv, Swish) {
  EXPECT_EQ(taken_in(m.node("Swish", {conv()}, {{"alpha", 2.0F}}, 24)), Activation(Activation::kSwish, 2));
}
TEST_F(FusedConv, Tanh) { EXPECT_EQ(taken_in(m.node("Tanh", {conv()})), Activation::kTanh); }
TEST_F(FusedConv, Gelu) { EXPECT_EQ(taken_in(m.node("Gelu", {conv()}, {}, 20)), Activation::kGelu); }
TEST_F(FusedConv, GeluTanh) {
  EXPECT_EQ(taken_in(m.node("Gelu", {conv()}, {{"approximate", std::string("tanh")}}, 20)),
            Activation::kGeluTanh);
}
TEST_F(FusedConv, QuickGelu) {
  const auto v = conv();
  const auto gate = m.node("Sigmoid", {m.node("Mul", {v, m.scalar(1.702F)})});
  EXPECT_EQ(taken_in(m.node("Mul", {v, gate})), Activation::kQuickGelu);
}

TEST_F(FusedConv, ResidualThenActivation) {
  EXPECT_EQ(fused({m.node("Relu", {m.node("Add", {conv(), x})})}), 2);
  EXPECT_EQ(only().inputs.size(), 4U);
  EXPECT_EQ(only().ints_or("pads", {}).size(), 4U);
}
TEST_F(FusedConv, ResidualWithoutABias) {
  EXPECT_EQ(fused({m.node("Add", {x, conv({x, w})})}), 1);
  EXPECT_FALSE(only().has_input(2));
  EXPECT_TRUE(only().has_input(3));
}
TEST_F(FusedConv, ConvolutionsThatAreEachOthersResidual) {
  EXPECT_EQ(fused({m.node("Relu", {m.node("Add", {conv(), conv({x, w})})})}), 2);
  EXPECT_EQ(m.graph.nodes().size(), 2U);
  EXPECT_EQ(count_ops(m.graph, "FusedConv"), 1);
}
TEST_F(FusedConv, BiasOfEachChannel) {
  const auto bias = m.graph.add_constant("bias", ramp({4, 1, 1}));
  EXPECT_EQ(fused({m.node("Relu", {m.node("Add", {bias, conv({x, w})})})}), 2);
  EXPECT_EQ(only().inputs.size(), 3U);
}
TEST_F(FusedConv, BiasOfEachChannelOnTopOfItsOwn) {
  const auto bias = m.graph.add_constant("bias", ramp({1, 4, 1, 1}));
  EXPECT_EQ(fused({m.node("Relu", {m.node("Add", {conv(), bias})})}), 2);
  EXPECT_EQ(only().inputs.size(), 3U);
}
TEST_F(FusedConv, BiasOfAllChannels) {
  EXPECT_EQ(fused({m.node("Add", {conv(), m.scalar(0.5F)})}), 1);
  EXPECT_EQ(only().inputs.size(), 3U);
}
TEST_F(FusedConv, OneAndThreeSpatialDimensionsInGroups) {
  for (const std::size_t spatial : {1, 3}) {
    GraphMaker g;
    Shape shape(2 + spatial, 5), weights(2 + spatial, 3);
    shape[0] = -1;
    shape[1] = 4;
    weights[0] = 6;
    weights[1] = 2;
    const auto in = g.input("x", DType::f32, shape);
    const auto v = g.node("Conv", {in, g.graph.add_constant("w", ramp(weights, 0.1F))},
                          {{"group", std::int64_t{2}}, {"strides", std::vector<std::int64_t>(spatial, 2)}});
    shape[0] = 2;
    EXPECT_EQ(rewrites_of(g, fuse_conv, {g.node("Relu", {v})}, {shape}), 1);
    EXPECT_EQ(count_ops(g.graph, "FusedConv"), 1);
  }
}

TEST_F(FusedConv, RefusesFourSpatialDimensions) {
  GraphMaker g;
  const auto in = g.input("x", DType::f32, {1, 1, 2, 2, 2, 2});
  const auto v = g.node("Conv", {in, g.graph.add_constant("w", ramp({1, 1, 2, 2, 2, 2}))});
  EXPECT_EQ(rewrites_of(g, fuse_conv, {g.node("Relu", {v})}, {{1, 1, 2, 2, 2, 2}}), 0);
}
TEST_F(FusedConv, RefusesASecondReader) {
  const auto v = conv();
  EXPECT_EQ(fused({m.node("Relu", {v}), m.node("Exp", {v})}), 0);
}
TEST_F(FusedConv, RefusesAGraphOutput) {
  const auto v = conv();
  EXPECT_EQ(fused({v, m.node("Relu", {v})}), 0);
  EXPECT_EQ(fused({m.graph.outputs[0], m.node("Add", {v, x})}), 0);
}
TEST_F(FusedConv, RefusesToAddItToItself) {
  const auto v = conv();
  EXPECT_EQ(fused({m.node("Add", {v, v})}), 0);
}
TEST_F(FusedConv, RefusesAResidualToBroadcast) {
  const auto row = m.graph.add_constant("row", ramp({6}));               // differs within a channel
  const auto plane = m.graph.add_constant("plane", ramp({1, 4, 5, 6}));  // the batch is dynamic
  const auto pooled = m.node("GlobalAveragePool", {x});
  EXPECT_EQ(
      fused({m.node("Add", {conv(), row}), m.node("Add", {conv(), plane}), m.node("Add", {conv(), pooled})}),
      0);
}
TEST_F(FusedConv, RefusesABiasThatWidens) {
  const auto bias = m.graph.add_constant("bias", ramp({1, 1, 4, 1, 1}));
  EXPECT_EQ(fused({m.node("Add", {conv(), bias})}), 0);
}
TEST_F(FusedConv, RefusesABiasBehindAResidual) {
  const auto bias = m.graph.add_constant("bias", ramp({4, 1, 1}));
  EXPECT_EQ(fused({m.node("Add", {m.node("Add", {conv(), x}), bias})}), 1);
  EXPECT_EQ(count_ops(m.graph, "Add"), 1);
}
TEST_F(FusedConv, RefusesWhatFollowsTheActivation) {
  EXPECT_EQ(fused({m.node("Tanh", {m.node("Add", {m.node("Relu", {conv()}), x})})}), 1);
  EXPECT_EQ(count_ops(m.graph, "Add"), 1);
  EXPECT_EQ(count_ops(m.graph, "Tanh"), 1);
}
TEST_F(FusedConv, RefusesWeightsThatAreNoConstants) {
  const auto v = m.input("v", DType::f32, {4, 4, 3, 3});
  const auto y = m.node("Relu", {conv({x, v})});
  EXPECT_EQ(rewrites_of(m, fuse_conv, {y}, {shapes[0], {4, 4, 3, 3}}), 0);
}
TEST_F(FusedConv, RefusesBoundsThatMakeNoSense) {
  const auto crossed = m.node("Clip", {conv(), m.scalar(1), m.scalar(-1)});
  const auto none = m.node("Clip", {conv()});
  const auto infinite = m.node("LeakyRelu", {conv()}, {{"alpha", kInfinity}});
  m.graph.outputs = {crossed, none, infinite};
  annotate_shapes(m.graph);
  EXPECT_EQ(fuse_conv(m.graph), 0);
  const auto bound = m.input("bound", DType::f32, {});
  const auto computed = m.node("Clip", {conv(), bound});
  EXPECT_EQ(rewrites_of(m, fuse_conv, {computed}, {shapes[0], {}}), 0);
}

}  // namespace
}  // namespace edgeclip::builder
