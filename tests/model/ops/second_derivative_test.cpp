#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "model/ops/attention.h"
#include "model/ops/layer_norm.h"
#include "model/ops/linear.h"
#include "model/ops/lora_linear.h"
#include "model/ops/quick_gelu.h"
#include "model/recompute.h"

namespace edgeclip::ops {
namespace {

/// The second derivative is refused, not computed without this operation's part.
void expect_refused(const char* name, const std::function<torch::Tensor(const torch::Tensor&)>& operation) {
  SCOPED_TRACE(name);
  torch::manual_seed(6);
  const torch::Tensor x = torch::randn({6, 32}).requires_grad_(true);
  const torch::Tensor loss = operation(x).to(torch::kFloat).pow(2).sum();
  try {
    torch::autograd::grad({loss}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true);
    FAIL() << "was taken for a constant";
  } catch (const InternalError& e) {
    EXPECT_NE(std::string(e.what()).find("first derivatives only; take gradients without create_graph"),
              std::string::npos)
        << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
  }
  EXPECT_TRUE(torch::autograd::grad({loss}, {x})[0].defined());
}

/// The second derivative is that of the plain operators.
void expect_equal(const char* name, const std::function<torch::Tensor(const torch::Tensor&)>& operation,
                  const std::function<torch::Tensor(const torch::Tensor&)>& plain) {
  SCOPED_TRACE(name);
  const auto second = [](const auto& f) {
    torch::manual_seed(6);
    const torch::Tensor x = torch::randn({6, 32}).requires_grad_(true);
    const torch::Tensor first = torch::autograd::grad({f(x).pow(3).sum()}, {x}, {}, true, true)[0];
    return torch::autograd::grad({first.pow(2).sum()}, {x})[0];
  };
  const torch::Tensor is = second(operation), wanted = second(plain);
  EXPECT_LE((is - wanted).abs().max().item<double>(), 1e-4 * wanted.abs().max().item<double>());
}

TEST(SecondDerivative, OfOperationsThatKernelsComputeIsRefused) {
  torch::manual_seed(7);
  const torch::Tensor weight = torch::randn({32}), bias = torch::randn({32}), rows = torch::randn({6, 32});
  const Sequences sequences = Sequences::of_lengths({4, 2});
  expect_refused("attention", [&](const auto& x) { return attention(x, rows, rows, 2, sequences); });
  expect_refused("QuickGELU", [&](const auto& x) { return quick_gelu(x); });
  for (const ComputeType compute : {ComputeType::f32, ComputeType::bf16}) {
    expect_refused("LayerNorm", [&](const auto& x) { return layer_norm(x, weight, bias, 1e-5, compute); });
    expect_refused("LayerNorm behind a branch", [&](const auto& x) {
      return add_layer_norm(x, rows, weight, bias, 1e-5, compute).second;
    });
    const LoraPair lora{torch::randn({2, 32}).requires_grad_(true), torch::randn({8, 2}), 3, 0};
    const torch::Tensor matrix = torch::randn({8, 32});
    expect_refused("adapter", [&](const auto& x) { return lora_linear(x, x, matrix, {}, lora, compute); });
  }
  expect_refused("computed again", [&](const auto& x) {
    return recomputed([](const torch::Tensor& in) { return in * in * in; }, x, {});
  });
}

TEST(SecondDerivative, OfOperationsThatAutogradSeesThroughIsThatOfPlainOnes) {
  torch::manual_seed(8);
  const torch::Tensor weight = torch::randn({8, 32}).to(torch::kBFloat16);
  expect_equal(
      "a weight in bfloat16", [&](const auto& x) { return linear(x, weight, {}, ComputeType::f32); },
      [&](const auto& x) { return torch::linear(x, weight.to(torch::kFloat)); });
  const torch::Tensor branch = torch::randn({6, 32}).to(torch::kBFloat16);
  expect_equal(
      "a branch in bfloat16", [&](const auto& x) { return add_branch(x, branch); },
      [&](const auto& x) { return x + branch; });
  const torch::Tensor norm = torch::randn({32});
  expect_equal(
      "the sum before a LayerNorm",
      [&](const auto& x) { return add_layer_norm(x, branch, norm, norm, 1e-5, ComputeType::f32).first; },
      [&](const auto& x) { return x + branch; });
}

}  // namespace
}  // namespace edgeclip::ops
