// edgeclip.FusedConv, ChannelAffine and ChannelShuffle: numbers by hand, what their shape rules refuse, and
// the activations of fused nodes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/cpu/onednn.h"
#include "engine/node_support.h"
#include "engine/ops/activation.h"

namespace edgeclip::engine {
namespace {

using test::Attributes;
using test::elements_of;
using test::invalid_input_of;

Node fused_node(const std::string& op, const std::vector<Tensor>& inputs, const Attributes& attributes) {
  Node node = test::node_of(op, inputs, attributes, 1, 1);
  node.domain = "edgeclip";
  return node;
}

std::vector<float> run(const std::string& op, const std::vector<Tensor>& inputs,
                       const Attributes& attributes) {
  const Node node = fused_node(op, inputs, attributes);
  check_node(node);
  Inputs views;
  for (const Tensor& input : inputs) views.push_back(input.defined() ? input.view() : TensorView{});
  return elements_of<float>(evaluate_node(node, views)[0]);
}

std::string refusal(const std::string& op, const std::vector<Tensor>& inputs,
                    const Attributes& attributes = {}) {
  return invalid_input_of([&] { run(op, inputs, attributes); });
}

Tensor zeros(const Shape& shape) { return Tensor(DType::f32, shape); }

struct FusedConvNode : ::testing::Test {
  Tensor x = Tensor::from<float>({1, 1, 3}, {1, 2, -3}), w = Tensor::from<float>({2, 1, 2}, {1, 1, 2, 0}),
         bias = Tensor::from<float>({2}, {0.5F, -10}),
         residual = Tensor::from<float>({1, 2, 2}, {1, 0, 0, 7});
};

TEST_F(FusedConvNode, IsConvBiasResidualAndActivation) {
  EXPECT_EQ(run("FusedConv", {x, w}, {}), (std::vector<float>{3, -1, 2, 4}));
  EXPECT_EQ(run("FusedConv", {x, w, bias}, {}), (std::vector<float>{3.5F, -0.5F, -8, -6}));
  EXPECT_EQ(run("FusedConv", {x, w, bias, residual}, {{"activation", "relu"}}),
            (std::vector<float>{4.5F, 0, 0, 1}));
  EXPECT_EQ(run("FusedConv", {x, w, Tensor(), residual},
                {{"activation", "clip"}, {"activation_alpha", 0.0F}, {"activation_beta", 6.0F}}),
            (std::vector<float>{4, 0, 2, 6}));
}

TEST_F(FusedConvNode, RefusesWhatDoesNotFit) {
  EXPECT_NE(refusal("FusedConv", {x, w, residual}), "");
  EXPECT_NE(refusal("FusedConv", {x, w, bias, x}), "");
  EXPECT_NE(refusal("FusedConv", {x, w, bias, Tensor::from<float>({1, 2, 1}, {1, 2})}), "");
  EXPECT_NE(refusal("FusedConv", {x, w, bias, Tensor::from<double>({1, 2, 2}, {1, 2, 3, 4})}), "");
  EXPECT_NE(refusal("FusedConv", {x, w}, {{"group", std::int64_t{2}}}), "");
  EXPECT_NE(refusal("FusedConv", {zeros({1, 1, 1, 1, 1, 1}), zeros({1, 1, 1, 1, 1, 1})}).find("spatial"),
            std::string::npos);
}

TEST_F(FusedConvNode, RefusesActivationsItDoesNotKnow) {
  const auto refused = [&](const Attributes& attributes) { return refusal("FusedConv", {x, w}, attributes); };
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  EXPECT_NE(refused({{"activation", "selu"}}).find("selu"), std::string::npos);
  EXPECT_NE(refused({{"activation", "clip"}, {"activation_alpha", 0.0F}}).find("activation_beta"),
            std::string::npos);
  EXPECT_NE(refused({{"activation", "clip"}, {"activation_alpha", 1.0F}, {"activation_beta", 0.0F}}), "");
  EXPECT_NE(refused({{"activation", "clip"}, {"activation_alpha", kNaN}, {"activation_beta", 0.0F}}), "");
  EXPECT_NE(refused({{"activation", "leaky_relu"}}), "");
  EXPECT_NE(refused({{"activation", "swish"}, {"activation_alpha", kInf}}), "");
}

TEST(ChannelAffineNode, ScalesAndShiftsEachChannel) {
  const Tensor x = Tensor::from<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor scale = Tensor::from<float>({2}, {1, -1}), shift = Tensor::from<float>({2}, {0, 4});
  EXPECT_EQ(run("ChannelAffine", {x, scale, shift}, {}), (std::vector<float>{1, 2, 1, 0, 5, 6, -3, -4}));
  EXPECT_EQ(run("ChannelAffine", {x, scale, shift}, {{"activation", "relu"}}),
            (std::vector<float>{1, 2, 1, 0, 5, 6, 0, 0}));
  EXPECT_NE(refusal("ChannelAffine", {x, scale, Tensor::from<float>({1}, {1})}), "");
  EXPECT_NE(refusal("ChannelAffine", {scale, scale, shift}), "");
}

TEST(ChannelShuffleNode, LetsGroupsTakeTurns) {
  const Tensor x = Tensor::from<float>({1, 6, 2}, {0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51});
  EXPECT_EQ(run("ChannelShuffle", {x}, {{"group", std::int64_t{2}}}),
            (std::vector<float>{0, 1, 30, 31, 10, 11, 40, 41, 20, 21, 50, 51}));
  EXPECT_EQ(run("ChannelShuffle", {x}, {{"group", std::int64_t{6}}}), elements_of<float>(x));
  for (const std::int64_t group : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{4}})
    EXPECT_NE(refusal("ChannelShuffle", {x}, {{"group", group}}), "") << group;
}

/// What oneDNN does behind a primitive is what activate() does.
TEST(ActivationOfFusedNodes, IsTheSameInOneDnn) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  std::vector<float> x;
  for (int i = -80; i <= 80; ++i) x.push_back(static_cast<float>(i) * 0.1F);
  const std::vector<float> zero(x.size(), 0);
  for (const Activation& activation :
       {Activation(), Activation(Activation::kRelu), Activation(Activation::kClip, -1, 6),
        Activation(Activation::kClip, -kInf, 0.5F), Activation(Activation::kLeakyRelu, 0.1F),
        Activation(Activation::kSigmoid), Activation(Activation::kHardSigmoid, 0.2F, 0.5F),
        Activation(Activation::kHardSwish), Activation(Activation::kSwish, 1), Activation(Activation::kTanh),
        Activation(Activation::kGelu), Activation(Activation::kGeluTanh),
        Activation(Activation::kQuickGelu)}) {
    dnnl::post_ops post;
    append_activation(post, activation);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(post);
    const dnnl::memory::desc desc =
        dense_desc({static_cast<std::int64_t>(x.size())}, dnnl::memory::data_type::f32);
    const dnnl::binary::primitive_desc pd({dnnl::algorithm::binary_add, desc, desc, desc}, attributes,
                                          onednn_engine());
    std::vector<float> in = x, none = zero, out = zero;
    dnnl::memory a(desc, onednn_engine(), in.data()), b(desc, onednn_engine(), none.data()),
        y(desc, onednn_engine(), out.data());
    dnnl::stream stream(onednn_engine());
    dnnl::binary(pd).execute(stream, {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, y}});
    stream.wait();
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(out[i], activate(x[i], activation), 2e-6F) << activation.kind << " of " << x[i];
  }
}

TEST(ActivationOfFusedNodes, ComesBackFromItsAttributes) {
  for (const Activation& activation :
       {Activation(), Activation(Activation::kRelu), Activation(Activation::kClip, 0, 6),
        Activation(Activation::kSwish, 1), Activation(Activation::kGeluTanh)}) {
    Node node;
    node.attributes = {{"activation", "clip"}, {"activation_alpha", 1.0F}, {"activation_beta", 2.0F}};
    set_activation(node.attributes, activation);
    EXPECT_EQ(activation_of(node), activation);
  }
}

}  // namespace
}  // namespace edgeclip::engine
