#include "model/ops/quick_gelu.h"

#include <gtest/gtest.h>

#include "model/ops/instruction_sets.h"

namespace edgeclip::ops {
namespace {

torch::Tensor plain(const torch::Tensor& x) { return x * torch::sigmoid(x * 1.702); }

void check_float() {
  torch::manual_seed(1);
  for (const std::int64_t n : {0, 1, 7, 16, 1000, 70001}) {
    const torch::Tensor x = torch::randn({n}) * 4, g = torch::randn({n});
    const torch::Tensor a = x.clone().requires_grad_(true), b = x.to(torch::kDouble).requires_grad_(true);
    const torch::Tensor y = quick_gelu(a), wanted = plain(b);
    EXPECT_TRUE(torch::allclose(y, wanted.to(torch::kFloat), 1e-6, 1e-7)) << n;
    EXPECT_TRUE(torch::equal(quick_gelu(x), y)) << n;  // without a graph
    y.backward(g);
    wanted.backward(g.to(torch::kDouble));
    EXPECT_TRUE(torch::allclose(a.grad(), b.grad().to(torch::kFloat), 1e-5, 1e-6)) << n;
  }
}

TEST(QuickGelu, ValuesAndGradientsAreThoseOfItsDefinition) { on_every_instruction_set(check_float); }

void check_bfloat16() {
  torch::manual_seed(2);
  const auto narrow = [](const torch::Tensor& t) { return t.to(torch::kBFloat16); };
  for (const std::int64_t n : {1, 7, 33, 70001}) {
    const torch::Tensor x = narrow(torch::randn({n}) * 4), g = narrow(torch::randn({n}));
    const torch::Tensor a = x.clone().requires_grad_(true), b = x.to(torch::kFloat).requires_grad_(true);
    const torch::Tensor y = quick_gelu(a), wanted = quick_gelu(b);
    EXPECT_TRUE(torch::equal(y, narrow(wanted))) << n;
    y.backward(g);
    wanted.backward(g.to(torch::kFloat));
    EXPECT_TRUE(torch::equal(a.grad(), narrow(b.grad()))) << n;
  }
  EXPECT_TRUE(torch::isnan(quick_gelu(narrow(torch::full({40}, std::nanf(""))))).all().item<bool>());
}

TEST(QuickGelu, Bfloat16IsComputedInFloat32AndRoundedOnce) { on_every_instruction_set(check_bfloat16); }

TEST(QuickGelu, ExtremesStridesAndOtherTypes) {
  const float inf = std::numeric_limits<float>::infinity();
  const torch::Tensor x = torch::tensor({-inf, -1e30f, -100.f, -60.f, 0.f, 60.f, 1e30f, inf});
  const torch::Tensor y = quick_gelu(x.slice(0, 1, 7));
  EXPECT_TRUE(torch::isfinite(y).all().item<bool>());
  EXPECT_NEAR(y[0].item<double>() / -1e30, 0, 1e-30);
  EXPECT_EQ(y[5].item<float>(), 1e30f);
  EXPECT_TRUE(torch::isnan(quick_gelu(torch::full({1}, std::nanf("")))).all().item<bool>());
  torch::Tensor t = torch::randn({6, 4}).requires_grad_(true);
  const torch::Tensor out = quick_gelu(t.t());
  EXPECT_TRUE(torch::allclose(out, plain(t.t()), 1e-6, 1e-7));
  out.sum().backward();
  EXPECT_EQ(t.grad().sizes(), t.sizes());
  const torch::Tensor half = torch::randn({9}).to(torch::kHalf).to(torch::kDouble);
  EXPECT_TRUE(torch::equal(quick_gelu(half), plain(half)));
  const torch::Tensor wide = torch::randn({9}, torch::kDouble);
  EXPECT_TRUE(torch::equal(quick_gelu(wide), plain(wide)));
}

}  // namespace
}  // namespace edgeclip::ops
