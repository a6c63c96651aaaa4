#include "train/precision.h"

#include "train/tiny_clip.h"
#include "train/validation.h"

namespace edgeclip {
namespace {

TEST(Precision, ChoosesByNameAndCpu) {
  EXPECT_FALSE(use_bf16("fp32"));
  EXPECT_TRUE(use_bf16("bf16"));
  EXPECT_EQ(use_bf16("auto"), cpu_has_bf16());
}

Batch random_batch() {
  torch::manual_seed(11);
  Batch batch;
  batch.pixels = to_tensor(torch::randn({6, 3, 32, 32}));
  torch::Tensor tokens = torch::randint(1, 500, {6, 9}, torch::kInt32);
  tokens.select(1, 8).fill_(511);
  batch.tokens = to_tensor(tokens);
  batch.ids = {0, 1, 2, 3, 4, 5};
  return batch;
}

TEST(Precision, Bf16LossAndGradientsAreNearFloats) {
  DualEncoder model(test::tiny_clip_config());
  initialize_weights(model);
  const Batch batch = random_batch();
  const auto gradients = [&](bool bf16, double* loss_value) {
    model->zero_grad();
    const torch::Tensor loss = test::batch_loss(model, batch, false, bf16);
    loss.backward();
    *loss_value = loss.item<double>();
    std::vector<torch::Tensor> flat;
    for (const auto& p : model->parameters()) {
      EXPECT_EQ(p.grad().scalar_type(), torch::kFloat32);
      flat.push_back(p.grad().flatten().clone());
    }
    return torch::cat(flat);
  };
  double loss_float = 0, loss_bf16 = 0;
  const torch::Tensor exact = gradients(false, &loss_float), rounded = gradients(true, &loss_bf16);
  EXPECT_NEAR(loss_bf16, loss_float, 0.05 * loss_float);
  EXPECT_NE(loss_bf16, loss_float);
  const double cosine =
      torch::dot(exact, rounded).item<double>() / (exact.norm() * rounded.norm()).item<double>();
  EXPECT_GT(cosine, 0.99);
}

}  // namespace
}  // namespace edgeclip
