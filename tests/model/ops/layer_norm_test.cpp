#include "model/ops/layer_norm.h"

#include <gtest/gtest.h>

#include "model/ops/instruction_sets.h"

namespace edgeclip::ops {
namespace {

constexpr double kEps = 1e-5;

/// What a block computes between two products, and what came back to it.
struct NormCase {
  NormCase(std::vector<std::int64_t> shape, torch::ScalarType branch_type) {
    torch::manual_seed(3);
    const std::int64_t width = shape.back();
    x = torch::randn(shape) * 3 + 1;
    branch = torch::randn(shape).to(branch_type);
    weight = torch::randn({width});
    bias = torch::randn({width});
    g_sum = torch::randn(shape);
    g_y = torch::randn(shape);
  }
  torch::Tensor x, branch, weight, bias, g_sum, g_y;
};

/// The same as float64 and trainable.
torch::Tensor as_double(const torch::Tensor& t) { return t.to(torch::kDouble).requires_grad_(true); }
torch::Tensor copy_that_trains(const torch::Tensor& t) { return t.clone().requires_grad_(true); }

void expect_all_near(const torch::Tensor& is, const torch::Tensor& wanted, double tolerance,
                     const char* what) {
  ASSERT_TRUE(is.defined()) << what;
  EXPECT_TRUE(torch::allclose(is.to(torch::kDouble), wanted.detach(), tolerance, tolerance))
      << what << ": off by " << (is.to(torch::kDouble) - wanted).abs().max().item<double>();
}

void check_layer_norm() {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{1, 1}, {3, 5}, {2, 7, 16}, {4, 50, 70}, {200, 768}}) {
    const NormCase c(shape, torch::kFloat);
    for (const ComputeType compute : {ComputeType::f32, ComputeType::bf16}) {
      const double tolerance = compute == ComputeType::bf16 ? 0.02 : 2e-5;
      const torch::Tensor x = copy_that_trains(c.x), weight = copy_that_trains(c.weight),
                          bias = copy_that_trains(c.bias);
      const torch::Tensor x64 = as_double(c.x), weight64 = as_double(c.weight), bias64 = as_double(c.bias);
      const torch::Tensor y = layer_norm(x, weight, bias, kEps, compute);
      const torch::Tensor wanted = torch::layer_norm(x64, {c.x.size(-1)}, weight64, bias64, kEps);
      EXPECT_EQ(y.scalar_type(), compute == ComputeType::bf16 ? torch::kBFloat16 : torch::kFloat);
      expect_all_near(y, wanted, tolerance, "y");
      {
        const torch::NoGradGuard no_grad;
        EXPECT_TRUE(torch::equal(layer_norm(x, weight, bias, kEps, compute), y));
      }
      const torch::Tensor g = c.g_y.to(y.scalar_type());
      y.backward(g);
      wanted.backward(g.to(torch::kDouble));
      expect_all_near(x.grad(), x64.grad(), 1e-4, "gradient of x");
      expect_all_near(weight.grad(), weight64.grad(), 1e-4, "gradient of the weight");
      expect_all_near(bias.grad(), bias64.grad(), 1e-4, "gradient of the bias");
    }
  }
}

TEST(LayerNorm, ValuesAndGradientsAreThoseOfItsDefinition) { on_every_instruction_set(check_layer_norm); }

void check_add_layer_norm() {
  for (const torch::ScalarType branch_type : {torch::kFloat, torch::kBFloat16})
    for (const ComputeType compute : {ComputeType::f32, ComputeType::bf16}) {
      const NormCase c({4, 33, 70}, branch_type);
      const torch::Tensor x = copy_that_trains(c.x), branch = copy_that_trains(c.branch),
                          weight = copy_that_trains(c.weight), bias = copy_that_trains(c.bias);
      const torch::Tensor x64 = as_double(c.x), branch64 = as_double(c.branch),
                          weight64 = as_double(c.weight), bias64 = as_double(c.bias);
      const auto [sum, y] = add_layer_norm(x, branch, weight, bias, kEps, compute);
      const torch::Tensor sum64 = x64 + branch64,
                          y64 = torch::layer_norm(sum64, {70}, weight64, bias64, kEps);
      EXPECT_TRUE(torch::equal(sum, c.x + c.branch.to(torch::kFloat)));
      expect_all_near(y, y64, compute == ComputeType::bf16 ? 0.02 : 2e-5, "y");
      const torch::Tensor g_y = c.g_y.to(y.scalar_type());
      torch::autograd::backward({sum, y}, {c.g_sum, g_y});
      torch::autograd::backward({sum64, y64}, {c.g_sum.to(torch::kDouble), g_y.to(torch::kDouble)});
      expect_all_near(x.grad(), x64.grad(), 1e-4, "gradient of x");
      EXPECT_TRUE(torch::equal(branch.grad(), x.grad().to(branch_type)));
      expect_all_near(weight.grad(), weight64.grad(), 1e-4, "gradient of the weight");
      expect_all_near(bias.grad(), bias64.grad(), 1e-4, "gradient of the bias");
    }
}

TEST(LayerNorm, WithABranchAddedFirst) { on_every_instruction_set(check_add_layer_norm); }

TEST(LayerNorm, OneOfTheTwoResultsMayBeUnused) {
  const NormCase c({3, 20}, torch::kBFloat16);
  const torch::Tensor x = copy_that_trains(c.x), branch = copy_that_trains(c.branch);
  add_layer_norm(x, branch, c.weight, c.bias, kEps, ComputeType::f32).first.backward(c.g_sum);
  EXPECT_TRUE(torch::equal(x.grad(), c.g_sum));
  EXPECT_TRUE(torch::equal(branch.grad(), c.g_sum.to(torch::kBFloat16)));
  const torch::Tensor other = copy_that_trains(c.x), plain = copy_that_trains(c.x);
  add_layer_norm(other, c.branch, c.weight, c.bias, kEps, ComputeType::f32).second.backward(c.g_y);
  torch::layer_norm(plain + c.branch, {20}, c.weight, c.bias, kEps).backward(c.g_y);
  expect_all_near(other.grad(), plain.grad().to(torch::kDouble), 1e-5, "gradient of x");
}

TEST(LayerNorm, OtherTypesStridesAndShapesGoThroughTheOperators) {
  const NormCase c({6, 20}, torch::kFloat);
  const torch::Tensor x = c.x.to(torch::kDouble), weight = c.weight.to(torch::kDouble),
                      bias = c.bias.to(torch::kDouble);
  EXPECT_TRUE(torch::equal(layer_norm(x, weight, bias, kEps, ComputeType::f32),
                           torch::layer_norm(x, {20}, weight, bias, kEps)));
  const torch::Tensor strided = c.x.t().contiguous().t();
  EXPECT_TRUE(torch::equal(layer_norm(strided, c.weight, c.bias, kEps, ComputeType::f32),
                           layer_norm(c.x, c.weight, c.bias, kEps, ComputeType::f32)));
  const auto [sum, y] =
      add_layer_norm(c.x, c.branch.slice(0, 0, 1), c.weight, c.bias, kEps, ComputeType::bf16);
  EXPECT_TRUE(torch::equal(sum, c.x + c.branch.slice(0, 0, 1)));  // widened along the rows
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(layer_norm(torch::empty({0, 20}), c.weight, c.bias, kEps, ComputeType::f32).numel(), 0);
}

TEST(AddBranch, IsTheSumAndSoAreItsGradients) {
  for (const torch::ScalarType type : {torch::kFloat, torch::kBFloat16, torch::kDouble}) {
    const NormCase c({5, 77}, type);
    const torch::Tensor x = copy_that_trains(c.x), branch = copy_that_trains(c.branch);
    const torch::Tensor sum = add_branch(x, branch);
    EXPECT_TRUE(torch::equal(sum, c.x + c.branch));
    sum.backward(c.g_sum.to(sum.scalar_type()));
    EXPECT_TRUE(torch::equal(x.grad(), c.g_sum));
    EXPECT_TRUE(torch::equal(branch.grad(), c.g_sum.to(type)));
  }
}

}  // namespace
}  // namespace edgeclip::ops
