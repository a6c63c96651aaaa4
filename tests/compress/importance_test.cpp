#include "compress/importance.h"

#include <limits>
#include <map>

#include "compress/random_checkpoint.h"
#include "compress/surgery.h"
#include "model/profile.h"
#include "support/other_device.h"
#include "support/support.h"
#include "train/losses/contrastive.h"
#include "train/objective.h"
#include "train/start.h"
#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

using test::embeddings;
using test::random_batch;
using test::random_checkpoint;

Objective contrastive_objective(const Checkpoint& checkpoint) {
  return Objective(ObjectiveOptions(), LossContext{checkpoint, Dataset(), "train"});
}

/// Makes some neurons of each layer silent: nothing comes out of them.  Returns those left.
std::vector<std::vector<std::int64_t>> silence(Checkpoint& checkpoint) {
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<std::int64_t>> left;
  int turn = 0;
  for (const MlpLayer& layer : mlp_layers(checkpoint.model)) {
    Mlp mlp = layer.mlp;
    left.emplace_back();
    for (std::int64_t n = 0; n < mlp->fc1->weight.size(0); ++n) {
      if ((n + turn) % 3 != 0) {
        left.back().push_back(n);
        continue;
      }
      mlp->fc1->weight[n].zero_();
      mlp->fc1->bias[n].zero_();
    }
    ++turn;
  }
  return left;
}

TEST(Surgery, CuttingSilentNeuronsChangesNothing) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  const auto left = silence(checkpoint);
  const torch::Tensor before = embeddings(checkpoint, batch);
  keep_neurons(checkpoint, left);
  EXPECT_LE((embeddings(checkpoint, batch) - before).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(checkpoint.config.vision.intermediate_size,
            (std::vector<int>{static_cast<int>(left[0].size()), static_cast<int>(left[1].size())}));
  EXPECT_EQ(checkpoint.model->config.text.intermediate_size, checkpoint.config.text.intermediate_size);
}

TEST(Surgery, ADistilBertBesideAResNetIsCutToo) {
  Checkpoint checkpoint;
  checkpoint.config = test::tiny_train_options().model;
  checkpoint.config.vision.model_type = "resnet";
  checkpoint.config.vision.depths = {1};
  checkpoint.config.vision.hidden_sizes = {16};
  checkpoint.config.text.model_type = "distilbert";
  checkpoint.model = DualEncoder(checkpoint.config);
  initialize_weights(checkpoint.model);
  checkpoint.model->eval();
  const Batch batch = random_batch(checkpoint.config);
  const auto left = silence(checkpoint);
  EXPECT_EQ(left.size(), 2u);  // the text tower's; a ResNet has no MLP
  const torch::Tensor before = embeddings(checkpoint, batch);
  for (const char* kind : {"taylor", "magnitude"}) {
    Objective objective = contrastive_objective(checkpoint);
    NeuronImportance importance(checkpoint.model, kind);
    importance.add(batch, objective);
    for (std::size_t layer = 0; layer < left.size(); ++layer)
      EXPECT_EQ((importance.scores()[layer] > 0).sum().item<std::int64_t>(),
                static_cast<std::int64_t>(left[layer].size()))
          << kind << " layer " << layer;
  }
  keep_neurons(checkpoint, left);
  EXPECT_LE((embeddings(checkpoint, batch) - before).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(checkpoint.config.text.intermediate_size.size(), 2u);
}

TEST(Surgery, WhatWasCutStillTrains) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  keep_neurons(checkpoint, silence(checkpoint));
  test::batch_loss(checkpoint.model, batch, true, false).backward();
  for (const auto& item : checkpoint.model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_EQ(item.value().grad().sizes(), item.value().sizes()) << item.key();
  }
}

TEST(Importance, SilentNeuronsScoreZeroAndOnlyThey) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  const auto left = silence(checkpoint);
  for (const char* kind : {"taylor", "magnitude"}) {
    Objective objective = contrastive_objective(checkpoint);
    NeuronImportance importance(checkpoint.model, kind);
    importance.add(batch, objective);
    const auto scores = importance.scores();
    ASSERT_EQ(scores.size(), left.size());
    for (std::size_t layer = 0; layer < scores.size(); ++layer) {
      const std::set<std::int64_t> alive(left[layer].begin(), left[layer].end());
      for (std::int64_t n = 0; n < scores[layer].numel(); ++n)
        EXPECT_EQ(scores[layer][n].item<float>() > 0, alive.count(n) == 1)
            << kind << " layer " << layer << " neuron " << n;
    }
  }
}

TEST(Importance, TaylorIsTheGradientOfTheLoss) {
  // With one token per layer that matters, |h * dL/dh| is |dL/dg| of a factor g on the neuron: the last layer
  // of the text tower, one row of the batch at a time, through finite differences on fc2's column.
  Checkpoint checkpoint = random_checkpoint();
  Batch batch = random_batch(checkpoint.config);
  Objective objective = contrastive_objective(checkpoint);
  NeuronImportance importance(checkpoint.model, "taylor");
  importance.add(batch, objective);
  const torch::Tensor scores = importance.scores().back();

  const torch::Tensor tokens = from_tensor(batch.tokens.view()).to(torch::kInt64);
  const torch::Tensor image = checkpoint.model->encode_image(from_tensor(batch.pixels.view())).detach();
  Mlp mlp = mlp_layers(checkpoint.model).back().mlp;
  const torch::Tensor base = checkpoint.model->encode_text(tokens).detach();
  const torch::NoGradGuard no_grad;
  for (const std::int64_t neuron : {0, 17, 63}) {
    double expected = 0;
    const torch::Tensor column = mlp->fc2->weight.select(1, neuron).clone();
    const double step = 1e-2;
    mlp->fc2->weight.select(1, neuron).copy_(column * (1 + step));
    const torch::Tensor more = checkpoint.model->encode_text(tokens).clone();
    mlp->fc2->weight.select(1, neuron).copy_(column * (1 - step));
    const torch::Tensor less = checkpoint.model->encode_text(tokens).clone();
    mlp->fc2->weight.select(1, neuron).copy_(column);
    for (std::int64_t row = 0; row < 5; ++row) {  // only this text's embedding moves
      torch::Tensor up = base.clone(), down = base.clone();
      up[row].copy_(more[row]);
      down[row].copy_(less[row]);
      const auto loss = [&](const torch::Tensor& text) {
        return contrastive_loss(image.to(torch::kFloat32), text, checkpoint.model->logit_scale)
            .item<double>();
      };
      expected += std::abs(loss(up) - loss(down)) / (2 * step);
    }
    EXPECT_NEAR(scores[neuron].item<double>(), expected, 0.03 * expected + 2e-5) << neuron;
  }
}

TEST(Importance, LeavesModesAsTheyAre) {
  Checkpoint checkpoint = random_checkpoint();
  checkpoint.model->train();
  Objective objective = contrastive_objective(checkpoint);
  NeuronImportance importance(checkpoint.model, "taylor");
  importance.add(random_batch(checkpoint.config), objective);
  EXPECT_TRUE(objective->is_training());
  EXPECT_TRUE(checkpoint.model->is_training());
}

TEST(Importance, ScoresThatAreNoNumbersNameTheLayer) {
  Checkpoint checkpoint = random_checkpoint();
  const torch::NoGradGuard no_grad;
  mlp_layers(checkpoint.model)[1].mlp->fc1->weight[7].fill_(std::numeric_limits<float>::quiet_NaN());
  Objective objective = contrastive_objective(checkpoint);
  NeuronImportance importance(checkpoint.model, "magnitude");
  importance.add(random_batch(checkpoint.config), objective);
  const std::string message = test::invalid_input_of([&] { importance.scores(); });
  EXPECT_NE(message.find("vision_model.encoder.layers.1.mlp"), std::string::npos) << message;
}

TEST(Importance, KnowsWhatANeuronCosts) {
  Checkpoint checkpoint = random_checkpoint();
  Objective objective = contrastive_objective(checkpoint);
  NeuronImportance importance(checkpoint.model, "magnitude");
  importance.add(random_batch(checkpoint.config), objective);
  const auto& vision = checkpoint.config.vision;
  const int patches = vision.image_height / vision.patch_size * (vision.image_width / vision.patch_size);
  const std::vector<double> macs = importance.macs_per_neuron();
  ASSERT_EQ(macs.size(), 4u);
  EXPECT_EQ(macs[0], (1.0 + patches) * 2 * 32);
  EXPECT_EQ(macs[3], 7.0 * 2 * 32) << "the mean length of the batch's texts";
  // As profile --tokens 7 counts them.
  std::map<std::string, double> counted;
  for (const ModuleProfile& module : profile_model(checkpoint.model, 1, 7).rows)
    counted[module.name] = static_cast<double>(module.macs);
  const std::vector<MlpLayer> layers = mlp_layers(checkpoint.model);
  for (std::size_t i = 0; i < layers.size(); ++i)
    EXPECT_EQ(macs[i] * static_cast<double>(layers[i].mlp->fc1->weight.size(0)), counted.at(layers[i].name)) << layers[i].name;
}

TEST(Importance, PaddingDoesNotCount) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  Batch longer = batch;
  const torch::Tensor tokens = from_tensor(batch.tokens.view());
  longer.tokens = to_tensor(torch::cat({tokens, torch::zeros({5, 4}, torch::kInt32)}, 1));
  Objective objective = contrastive_objective(checkpoint);
  for (const char* kind : {"taylor", "magnitude"}) {
    NeuronImportance a(checkpoint.model, kind), b(checkpoint.model, kind);
    a.add(batch, objective);
    b.add(longer, objective);
    EXPECT_TRUE(torch::allclose(a.scores().back(), b.scores().back(), 1e-3, 1e-6)) << kind;
  }
}

TEST(Importance, IsMeasuredAndCutWhereTheModelIs) {
  Checkpoint here = random_checkpoint(), there = random_checkpoint();
  there.model->to(test::kOtherDevice);
  const Batch batch = random_batch(here.config);
  for (const char* kind : {"taylor", "magnitude"}) {
    Objective objective = contrastive_objective(here), same = contrastive_objective(there);
    NeuronImportance a(here.model, kind), b(there.model, kind);
    a.add(batch, objective);
    b.add(batch, same);
    for (std::size_t layer = 0; layer < a.scores().size(); ++layer)
      EXPECT_TRUE(torch::allclose(a.scores()[layer], b.scores()[layer].to(torch::kCPU), 1e-4, 1e-7)) << kind;
  }
  const std::vector<std::vector<std::int64_t>> kept(4, {0, 3, 5});
  keep_neurons(here, kept);
  keep_neurons(there, kept);
  there.model->to(torch::kCPU);
  EXPECT_LE((embeddings(here, batch) - embeddings(there, batch)).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace edgeclip
