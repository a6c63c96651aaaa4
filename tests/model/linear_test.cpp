#include "model/linear.h"

#include <gtest/gtest.h>

#include "model/weight.h"

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
  linear->lora()->B.normal_();
  linear->bias.normal_();
  return linear;
}

TEST(Linear, AdapterAddsItsScaledProduct) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5});
  const torch::Tensor sum = linear->weight + 3.0 * torch::matmul(linear->lora()->B, linear->lora()->A);
  EXPECT_TRUE(torch::allclose(merged_weight(linear->weight, *linear->lora()), sum, 1e-6, 1e-6));
  EXPECT_TRUE(torch::allclose(linear(x, ComputeType::f32), torch::linear(x, sum, linear->bias), 1e-5, 1e-6));
}

TEST(Linear, ABaseInBf16IsWidenedWhereItIsUsed) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5});
  Linear rounded(5, 4);
  set_weight(rounded->weight, linear->weight.detach().to(torch::kBFloat16).to(torch::kFloat));
  set_weight(rounded->bias, linear->bias);
  rounded->attach_lora({linear->lora()->A.detach(), linear->lora()->B.detach(), 3, 0});
  set_weight(linear->weight, linear->weight.detach().to(torch::kBFloat16));
  EXPECT_TRUE(torch::equal(linear(x, ComputeType::f32), rounded(x, ComputeType::f32)));
}

TEST(Linear, RoundsTheOperandsItIsToldTo) {
  Linear linear = adapted_linear();
  const torch::Tensor x = torch::randn({3, 5});
  const auto narrow = [](const torch::Tensor& t) { return t.to(torch::kBFloat16); };
  const LoraPair& lora = *linear->lora();
  const torch::Tensor low = torch::linear(narrow(x), narrow(lora.A));
  const torch::Tensor wanted = torch::linear(narrow(x), narrow(linear->weight), narrow(linear->bias)) +
                               torch::linear(low, narrow(lora.B)) * 3.0;
  const torch::Tensor y = linear(x, ComputeType::bf16);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::allclose(y, wanted, 0.02, 0.02));  // which is rounded four times
}

TEST(Linear, AnAdapterComesAndGoes) {
  Linear linear = adapted_linear();
  EXPECT_EQ(linear->named_parameters().size(), 4u);
  const LoraPair pair = linear->detach_lora();
  EXPECT_FALSE(linear->lora());
  EXPECT_EQ(linear->named_parameters().size(), 2u);
  linear->attach_lora(pair);
  EXPECT_TRUE(linear->named_parameters()["lora_B"].is_same(pair.B));
}

TEST(Linear, AdapterDropoutOnlyInTraining) {
  torch::manual_seed(2);
  Linear linear(5, 4);
  LoraPair pair = small_pair();
  pair.dropout = 0.5;
  linear->attach_lora(pair);
  const torch::NoGradGuard no_grad;
  linear->lora()->B.normal_();
  const torch::Tensor x = torch::randn({64, 5});
  linear->eval();
  EXPECT_TRUE(torch::equal(linear(x, ComputeType::f32), linear(x, ComputeType::f32)));
  linear->train();
  EXPECT_FALSE(torch::equal(linear(x, ComputeType::f32), linear(x, ComputeType::f32)));
}

}  // namespace
}  // namespace edgeclip
