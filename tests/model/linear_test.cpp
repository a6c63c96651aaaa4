#include "model/linear.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

LoraPair small_pair() {
  LoraPair pair;
  pair.A = torch::randn({2, 5});
  pair.B = torch::zeros({4, 2});
  pair.scale = 3;
  return pair;
}

Linear adapted_linear() {
  torch::manual_seed(1);
  Linear linear(5, 4);
  linear->attach_lora(small_pair());
  const torch::NoGradGuard no_grad;
  linear->lora_B.normal_();
  linear->bias.normal_();
  return linear;
}

TEST(Linear, AdapterAddsItsScaledProduct) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5});
  const torch::Tensor delta = 3.0 * torch::matmul(linear->lora_B, linear->lora_A);
  EXPECT_TRUE(torch::allclose(linear->lora_delta(), delta, 1e-6, 1e-6));
  EXPECT_TRUE(torch::allclose(linear(x), torch::linear(x, linear->weight + delta, linear->bias), 1e-5, 1e-6));
}

TEST(Linear, FoldingKeepsTheOutputAndDropsTheAdapter) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({2, 3, 5}), before = linear(x);
  linear->fold_lora();
  EXPECT_FALSE(linear->has_lora());
  EXPECT_EQ(linear->named_parameters().size(), 2u);
  EXPECT_TRUE(torch::allclose(linear(x), before, 1e-5, 1e-6));
  linear->attach_lora(small_pair());  // and may be adapted again
  EXPECT_TRUE(torch::allclose(linear(x), before, 1e-5, 1e-6));
}

TEST(Linear, UnmergingGivesTheWeightBackToTheBit) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5}), before = linear(x).detach(), weight = linear->weight.clone();
  linear->merge_lora();
  EXPECT_TRUE(linear->is_merged());
  EXPECT_FALSE(torch::equal(linear->weight, weight));
  EXPECT_TRUE(torch::equal(linear->base_weight(), weight));
  EXPECT_TRUE(torch::allclose(linear(x), before, 1e-5, 1e-6));
  linear->unmerge_lora();
  EXPECT_TRUE(torch::equal(linear->weight, weight));
  EXPECT_TRUE(torch::equal(linear(x), before));
}

TEST(Linear, ABaseInBf16IsWidenedWhereItIsUsed) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5});
  Linear rounded(5, 4);
  rounded->weight.set_data(linear->weight.detach().to(torch::kBFloat16).to(torch::kFloat));
  rounded->bias.set_data(linear->bias.detach());
  rounded->attach_lora({linear->lora_A.detach(), linear->lora_B.detach(), 3, 0});
  linear->weight.set_data(linear->weight.detach().to(torch::kBFloat16));
  EXPECT_TRUE(torch::equal(linear(x), rounded(x)));
}

TEST(Linear, AdapterDropoutOnlyInTraining) {
  torch::manual_seed(2);
  Linear linear(5, 4);
  LoraPair pair = small_pair();
  pair.dropout = 0.5;
  linear->attach_lora(pair);
  const torch::NoGradGuard no_grad;
  linear->lora_B.normal_();
  const torch::Tensor x = torch::randn({64, 5});
  linear->eval();
  EXPECT_TRUE(torch::equal(linear(x), linear(x)));
  linear->train();
  EXPECT_FALSE(torch::equal(linear(x), linear(x)));
}

TEST(Linear, KeepsChosenRowsAndColumns) {
  Linear linear = adapted_linear();
  linear->fold_lora();
  const torch::Tensor x = torch::randn({3, 5}), full = linear(x);
  const torch::Tensor outputs = torch::tensor({0, 3}, torch::kLong),
                      inputs = torch::tensor({1, 2, 4}, torch::kLong);
  linear->keep_outputs(outputs);
  EXPECT_TRUE(torch::allclose(linear(x), full.index_select(1, outputs), 1e-5, 1e-6));
  torch::Tensor masked = torch::zeros_like(x);
  masked.index_copy_(1, inputs, x.index_select(1, inputs));
  const torch::Tensor expected = linear(masked);
  linear->keep_inputs(inputs);
  EXPECT_TRUE(torch::allclose(linear(x.index_select(1, inputs)), expected, 1e-5, 1e-6));
  // The registered parameters are the shrunken ones.
  const auto parameters = linear->named_parameters();
  EXPECT_EQ(parameters["weight"].sizes(), torch::IntArrayRef({2, 3}));
  EXPECT_EQ(parameters["bias"].sizes(), torch::IntArrayRef({2}));
  EXPECT_TRUE(parameters["weight"].requires_grad());
}

}  // namespace
}  // namespace edgeclip
