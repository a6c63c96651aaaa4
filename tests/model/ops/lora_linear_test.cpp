#include "model/ops/lora_linear.h"

#include <gtest/gtest.h>

namespace edgeclip::ops {
namespace {

struct AdapterCase {
  explicit AdapterCase(bool with_bias) {
    torch::manual_seed(4);
    x = torch::randn({3, 11, 24});
    weight = torch::randn({20, 24}) * 0.2;
    if (with_bias) bias = torch::randn({20});
    A = torch::randn({4, 24}) * 0.2;
    B = torch::randn({20, 4});
    g = torch::randn({3, 11, 20});
  }
  torch::Tensor x, weight, bias, A, B, g;
};

torch::Tensor with_gradient(const torch::Tensor& t) { return t.clone().requires_grad_(true); }

/// By LibTorch's operators in float32.
torch::Tensor by_operators(const AdapterCase& c, const torch::Tensor& x, const torch::Tensor& A,
                           const torch::Tensor& B) {
  const torch::Tensor product = torch::matmul(x, (c.weight + 1.5 * torch::matmul(B, A)).t());
  return c.bias.defined() ? product + c.bias : product;
}

void expect_near(const torch::Tensor& is, const torch::Tensor& wanted, double relative, const char* what) {
  ASSERT_TRUE(is.defined()) << what;
  const double off = (is.to(torch::kFloat) - wanted).norm().item<double>(),
               size = wanted.norm().item<double>();
  EXPECT_LE(off, relative * size) << what;
}

TEST(LoraLinear, ValuesAndGradientsAreThoseOfTheMergedWeight) {
  for (const bool with_bias : {true, false})
    for (const ComputeType compute : {ComputeType::f32, ComputeType::bf16})
      for (const bool narrow_x : {false, true}) {
        if (narrow_x && compute == ComputeType::f32) continue;
        const AdapterCase c(with_bias);
        const double relative = compute == ComputeType::bf16 ? 0.015 : 1e-6;
        const torch::Tensor x = with_gradient(narrow_x ? c.x.to(torch::kBFloat16) : c.x),
                            A = with_gradient(c.A), B = with_gradient(c.B);
        const torch::Tensor y = lora_linear(x, x, c.weight, c.bias, {A, B, 1.5, 0}, compute);
        const torch::Tensor x32 = with_gradient(c.x), A32 = with_gradient(c.A), B32 = with_gradient(c.B);
        const torch::Tensor wanted = by_operators(c, x32, A32, B32);
        EXPECT_EQ(y.scalar_type(), compute == ComputeType::bf16 ? torch::kBFloat16 : torch::kFloat);
        expect_near(y, wanted, relative, "y");
        y.backward(c.g.to(y.scalar_type()));
        wanted.backward(c.g);
        EXPECT_EQ(x.grad().scalar_type(), x.scalar_type());
        EXPECT_EQ(A.grad().scalar_type(), torch::kFloat);
        EXPECT_EQ(B.grad().scalar_type(), torch::kFloat);
        expect_near(x.grad(), x32.grad(), relative, "gradient of x");
        expect_near(A.grad(), A32.grad(), relative, "gradient of A");
        expect_near(B.grad(), B32.grad(), relative, "gradient of B");
      }
}

TEST(LoraLinear, ABaseInBf16GivesWhatTheSameBaseGivesWhenItIsRoundedForTheProduct) {
  const AdapterCase c(true);
  for (const bool narrow : {false, true}) {
    const torch::Tensor weight = narrow ? c.weight.to(torch::kBFloat16) : c.weight, x = with_gradient(c.x);
    const torch::Tensor y = lora_linear(x, x, weight, c.bias, {c.A, c.B, 1.5, 0}, ComputeType::bf16);
    EXPECT_TRUE(
        torch::equal(y, lora_linear(c.x, c.x, c.weight, c.bias, {c.A, c.B, 1.5, 0}, ComputeType::bf16)));
  }
}

TEST(LoraLinear, TheAdapterMayReadAnotherInput) {
  const AdapterCase c(true);
  for (const ComputeType compute : {ComputeType::f32, ComputeType::bf16}) {
    const torch::Tensor x = with_gradient(c.x), dropped = with_gradient(c.x * 2), A = with_gradient(c.A),
                        B = with_gradient(c.B);
    lora_linear(x, dropped, c.weight, c.bias, {A, B, 1.5, 0}, compute)
        .backward(compute == ComputeType::bf16 ? c.g.to(torch::kBFloat16) : c.g);
    const double relative = compute == ComputeType::bf16 ? 0.015 : 1e-6;
    expect_near(x.grad(), torch::matmul(c.g, c.weight), relative, "gradient of x");
    expect_near(dropped.grad(), torch::matmul(c.g, 1.5 * torch::matmul(c.B, c.A)), relative,
                "gradient of dropped");
    const torch::Tensor low = torch::matmul(c.x * 2, c.A.t());
    expect_near(B.grad(), 1.5 * torch::matmul(c.g.view({-1, 20}).t(), low.view({-1, 4})), relative,
                "gradient of B");
  }
}

}  // namespace
}  // namespace edgeclip::ops
