#include "compress/cut.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

TEST(Cut, KeepsChosenRowsAndColumns) {
  torch::manual_seed(1);
  Linear layer(5, 4);
  const auto run = [&](const torch::Tensor& in) { return layer(in, ComputeType::f32); };
  const torch::Tensor x = torch::randn({3, 5}), full = run(x);
  full.sum().backward();  // gradients of the old shapes
  const torch::Tensor outputs = torch::tensor({0, 3}, torch::kLong),
                      inputs = torch::tensor({1, 2, 4}, torch::kLong);
  keep_outputs(layer, outputs);
  EXPECT_TRUE(torch::allclose(run(x), full.index_select(1, outputs), 1e-5, 1e-6));
  torch::Tensor masked = torch::zeros_like(x);
  masked.index_copy_(1, inputs, x.index_select(1, inputs));
  const torch::Tensor expected = run(masked);
  keep_inputs(layer, inputs);
  EXPECT_TRUE(torch::allclose(run(x.index_select(1, inputs)), expected, 1e-5, 1e-6));
  // The registered parameters are the shrunken ones.
  const auto parameters = layer->named_parameters();
  EXPECT_EQ(parameters["weight"].sizes(), torch::IntArrayRef({2, 3}));
  EXPECT_EQ(parameters["bias"].sizes(), torch::IntArrayRef({2}));
  EXPECT_TRUE(parameters["weight"].requires_grad());
  run(x.index_select(1, inputs)).sum().backward();
  EXPECT_EQ(layer->weight.grad().sizes(), torch::IntArrayRef({2, 3}));
}

}  // namespace
}  // namespace edgeclip
