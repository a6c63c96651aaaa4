#include "train/optimizer.h"

#include "model/dual_encoder.h"
#include "model/weight.h"
#include "support/support.h"

namespace edgeclip {
namespace {

OptimizerOptions options() {
  OptimizerOptions o;
  o.weight_decay = 0.1;
  return o;
}

/// A quadratic with a cross term: gradients that change at every step.
torch::Tensor objective(const torch::Tensor& matrix, const torch::Tensor& vector) {
  return (torch::matmul(matrix, vector) - 1).pow(2).sum() + matrix.pow(2).sum();
}

TEST(AdamW, MovesTheVersionOfWhatItWrites) {
  torch::Tensor moved = torch::ones({3}).requires_grad_(true), idle = torch::ones({3}).requires_grad_(true);
  AdamW optimizer({{"moved", moved, true}, {"idle", idle, true}}, options());
  moved.sum().backward();
  const std::int64_t before = weight_version(moved), before_idle = weight_version(idle);
  optimizer.step(0.01);
  EXPECT_GT(weight_version(moved), before);
  EXPECT_EQ(weight_version(idle), before_idle);  // without a gradient
}

TEST(AdamW, StepsLikeLibTorchs) {
  torch::manual_seed(5);
  torch::Tensor matrix = torch::randn({200, 300}).requires_grad_(true);  // large enough for threads
  torch::Tensor vector = torch::randn({300}).requires_grad_(true);
  torch::Tensor matrix2 = matrix.detach().clone().requires_grad_(true);
  torch::Tensor vector2 = vector.detach().clone().requires_grad_(true);

  AdamW ours({{"matrix", matrix, true}, {"vector", vector, false}}, options());
  const auto group = [](const torch::Tensor& p, double decay) {
    return torch::optim::OptimizerParamGroup(
        {p}, std::make_unique<torch::optim::AdamWOptions>(
                 torch::optim::AdamWOptions(0.01).betas({0.9, 0.98}).eps(1e-6).weight_decay(decay)));
  };
  torch::optim::AdamW theirs(
      std::vector<torch::optim::OptimizerParamGroup>{group(matrix2, 0.1), group(vector2, 0.0)});
  for (int i = 0; i < 8; ++i) {
    ours.zero_gradients();
    objective(matrix, vector).backward();
    ours.step(0.01);
    theirs.zero_grad();
    objective(matrix2, vector2).backward();
    theirs.step();
  }
  EXPECT_LE((matrix - matrix2).abs().max().item<double>(), 2e-5);
  EXPECT_LE((vector - vector2).abs().max().item<double>(), 2e-5);
  EXPECT_EQ(ours.steps(), 8);
  EXPECT_EQ(ours.trained_elements(), 200 * 300 + 300);
}

TEST(AdamW, NormAndClippingLikeLibTorchs) {
  torch::Tensor a = torch::zeros({3}).requires_grad_(true), b = torch::zeros({40000}).requires_grad_(true);
  torch::Tensor unused = torch::zeros({2}).requires_grad_(true);
  AdamW optimizer({{"a", a, false}, {"b", b, false}, {"unused", unused, true}}, options());
  a.mutable_grad() = torch::tensor({3.0f, 0.0f, 0.0f});
  b.mutable_grad() = torch::full({40000}, 0.02f);  // norm 4
  EXPECT_NEAR(optimizer.gradient_norm(), 5.0, 1e-6);
  EXPECT_EQ(clip_scale(5.0, 0), 1.0);
  EXPECT_EQ(clip_scale(0.5, 1.0), 1.0);
  EXPECT_NEAR(clip_scale(5.0, 1.0), 0.2, 1e-6);
  optimizer.step(0.1, 0.2);
  EXPECT_EQ(unused.abs().sum().item<double>(), 0.0) << "no gradient, no step";
  EXPECT_EQ(a.grad()[0].item<float>(), 3.0f) << "gradients are left as they were";
  EXPECT_LT(a[0].item<float>(), 0.0f);
}

TEST(AdamW, StateGoesOnExactly) {
  const test::TempDir folder;
  torch::Tensor x = torch::ones({4, 4}).requires_grad_(true), y;
  AdamW first({{"x", x, true}}, options());
  const auto step = [](AdamW& optimizer, torch::Tensor& p, double target) {
    optimizer.zero_gradients();
    (p - target).pow(2).sum().backward();
    optimizer.step(0.01);
  };
  for (int i = 0; i < 3; ++i) step(first, x, 0.3 * i);
  write_safetensors(folder / "state.safetensors", first.state());
  y = x.detach().clone().requires_grad_(true);
  AdamW second({{"x", y, true}}, options());
  second.load_state(SafetensorsFile(folder / "state.safetensors"));
  EXPECT_EQ(second.steps(), 3);
  for (int i = 0; i < 3; ++i) {
    step(first, x, -1.0);
    step(second, y, -1.0);
  }
  EXPECT_TRUE(torch::equal(x, y));
}

TEST(AdamW, ElsewhereStepsAreTheSame) {
  torch::manual_seed(6);
  torch::Tensor dense = torch::randn({5, 7}).requires_grad_(true);
  torch::Tensor strided =
      dense.detach().t().contiguous().t().requires_grad_(true);  // by LibTorch's operators
  ASSERT_FALSE(strided.is_contiguous());
  AdamW fused({{"x", dense, true}}, options()), operators({{"x", strided, true}}, options());
  for (int i = 0; i < 4; ++i) {
    for (auto [optimizer, x] : {std::pair<AdamW*, torch::Tensor>{&fused, dense}, {&operators, strided}}) {
      optimizer->zero_gradients();
      (x.pow(3).sum() + x.sin().sum()).backward();
      optimizer->step(0.01, 0.5);
    }
  }
  EXPECT_LE((dense - strided).abs().max().item<double>(), 1e-6);
}

TEST(AdamW, RatesAndDecaysOfGroups) {
  torch::Tensor usual = torch::ones({3}).requires_grad_(true), fast = torch::ones({3}).requires_grad_(true),
                decayed = torch::ones({3}).requires_grad_(true);
  AdamW optimizer({{"usual", usual, false}, {"fast", fast, false, 5.0}, {"decayed", decayed, true, 1.0, 0.5}},
                  options());
  for (auto* x : {&usual, &fast, &decayed}) x->mutable_grad() = torch::ones({3});
  optimizer.step(0.01);
  EXPECT_NEAR(usual[0].item<double>(), 1 - 0.01, 1e-6);
  EXPECT_NEAR(fast[0].item<double>(), 1 - 0.05, 1e-6);
  EXPECT_NEAR(decayed[0].item<double>(), 1 - 0.01 * 0.5 - 0.01, 1e-6);
}

TEST(AdamW, RefusesStateOfAnotherShape) {
  const test::TempDir folder;
  AdamW wide({{"x", torch::ones({8}).requires_grad_(true), true}}, options());
  write_safetensors(folder / "state.safetensors", wide.state());
  AdamW narrow({{"x", torch::ones({4}).requires_grad_(true), true}}, options());
  const std::string message =
      test::invalid_input_of([&] { narrow.load_state(SafetensorsFile(folder / "state.safetensors")); });
  EXPECT_NE(message.find("exp_avg.x"), std::string::npos) << message;
}

}  // namespace
}  // namespace edgeclip
