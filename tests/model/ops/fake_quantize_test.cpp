#include "model/ops/fake_quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace edgeclip {
namespace {

TEST(FakeQuantize, RoundsAsQuantizeLinearDoes) {
  torch::manual_seed(1);
  const torch::Tensor x = torch::randn({40, 25}) * 3;
  for (const auto& [low, high] : {std::pair(-2.5, 4.0), std::pair(0.0, 3.0), std::pair(-6.0, 0.0), std::pair(1.0, 2.0)}) {
    const ActivationScale scale = activation_scale(low, high);
    const torch::Tensor y = ops::fake_quantize(x, scale);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const float q = std::clamp(std::nearbyint(x.data_ptr<float>()[i] / scale.scale) + static_cast<float>(scale.zero_point), 0.0F, 255.0F);
      EXPECT_EQ(y.data_ptr<float>()[i], scale.scale * (q - static_cast<float>(scale.zero_point)));
    }
  }
  // Halves go to the even step.
  const torch::Tensor halves = torch::tensor({0.5F, 1.5F, 2.5F, -0.5F});
  EXPECT_TRUE(torch::equal(ops::fake_quantize(halves, {1.0F, 100}), torch::tensor({0.0F, 2.0F, 2.0F, -0.0F})));
}

TEST(FakeQuantize, PassesTheGradientWhereNothingIsCutOff) {
  const torch::Tensor x = torch::tensor({-3.0F, -1.0F, 0.2F, 1.0F, 2.3F, 9.0F}).requires_grad_();
  ops::fake_quantize(x, activation_scale(-1, 2)).backward(torch::arange(1, 7).to(torch::kFloat));
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0F, 2.0F, 3.0F, 4.0F, 0.0F, 0.0F}))) << x.grad();
}

TEST(FakeQuantize, KeepsTheType) {
  const torch::Tensor x = torch::randn({3, 4}).to(torch::kBFloat16), y = ops::fake_quantize(x, activation_scale(-4, 4));
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::equal(y, ops::fake_quantize(x.to(torch::kFloat), activation_scale(-4, 4)).to(torch::kBFloat16)));
}

TEST(FakeQuantize, GivesEachChannelAScaleAndAllOfTheGradient) {
  torch::manual_seed(2);
  torch::Tensor weights = torch::randn({5, 3, 2, 2}) * torch::tensor({1.0F, 100.0F, 0.01F, 0.0F, 1.0F}).view({5, 1, 1, 1});
  weights.requires_grad_();
  for (const int bits : {8, 7}) {
    weights.mutable_grad().reset();
    const float top = bits == 8 ? 127 : 63;
    const torch::Tensor y = ops::fake_quantize_channels(weights, bits);
    for (std::int64_t n = 0; n < 5; ++n) {
      const float scale = weights[n].detach().abs().max().item<float>() / top;
      EXPECT_TRUE(torch::equal(y[n], scale > 0 ? torch::round(weights[n] / scale) * scale : torch::zeros({3, 2, 2}))) << n;
    }
    y.sum().backward();
    EXPECT_TRUE(torch::equal(weights.grad(), torch::ones_like(weights)));
  }
}

}  // namespace
}  // namespace edgeclip
