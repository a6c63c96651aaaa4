#include "compress/importance.h"

#include <limits>
#include <set>

#include "compress/every_network.h"
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

/// The neurons alone.
std::vector<PruneGroup> mlp_groups(const DualEncoder& model) {
  std::vector<PruneGroup> neurons;
  for (PruneGroup& group : prune_groups(model, 7))
    if (group.kind == PruneKind::neurons) neurons.push_back(std::move(group));
  return neurons;
}

std::vector<Mlp> mlps(const DualEncoder& model) {
  std::vector<Mlp> list;
  for (const Transformer& blocks : {model->vision_model->blocks(), model->text_model->blocks()})
    for (std::size_t i = 0; !blocks.is_empty() && i < blocks->layers->size(); ++i) list.push_back(blocks->layer(i)->mlp);
  return list;
}

UnitImportance mlp_importance(const DualEncoder& model, const std::string& kind) { return {model, mlp_groups(model), kind}; }

/// Makes some neurons of each layer silent: nothing comes out of them.  Returns those left.
std::vector<std::vector<std::int64_t>> silence(Checkpoint& checkpoint) {
  const torch::NoGradGuard no_grad;
  std::vector<std::vector<std::int64_t>> left;
  int turn = 0;
  for (Mlp mlp : mlps(checkpoint.model)) {
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

TEST(Importance, SilentNeuronsScoreZeroAndOnlyThey) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  const auto left = silence(checkpoint);
  for (const char* kind : {"taylor", "activation"}) {
    Objective objective = contrastive_objective(checkpoint);
    UnitImportance importance = mlp_importance(checkpoint.model, kind);
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
  UnitImportance importance = mlp_importance(checkpoint.model, "taylor");
  importance.add(batch, objective);
  const torch::Tensor scores = importance.scores().back();

  const torch::Tensor tokens = from_tensor(batch.tokens.view()).to(torch::kInt64);
  const torch::Tensor image = checkpoint.model->encode_image(from_tensor(batch.pixels.view())).detach();
  Mlp mlp = mlps(checkpoint.model).back();
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
  UnitImportance importance = mlp_importance(checkpoint.model, "taylor");
  importance.add(random_batch(checkpoint.config), objective);
  EXPECT_TRUE(objective->is_training());
  EXPECT_TRUE(checkpoint.model->is_training());
}

TEST(Importance, ScoresThatAreNoNumbersNameTheLayer) {
  Checkpoint checkpoint = random_checkpoint();
  const torch::NoGradGuard no_grad;
  mlps(checkpoint.model)[1]->fc1->weight[7].fill_(std::numeric_limits<float>::quiet_NaN());
  Objective objective = contrastive_objective(checkpoint);
  UnitImportance importance = mlp_importance(checkpoint.model, "activation");
  importance.add(random_batch(checkpoint.config), objective);
  const std::string message = test::invalid_input_of([&] { importance.scores(); });
  EXPECT_NE(message.find("vision_model.encoder.layers.1.mlp"), std::string::npos) << message;
}

TEST(Importance, MagnitudeIsTheNormOfAUnitsWeights) {
  Checkpoint checkpoint = random_checkpoint();
  Objective objective = contrastive_objective(checkpoint);
  UnitImportance importance = mlp_importance(checkpoint.model, "magnitude");
  importance.add(random_batch(checkpoint.config), objective);
  const Mlp mlp = mlps(checkpoint.model)[2];
  const torch::NoGradGuard no_grad;
  const torch::Tensor expected = (mlp->fc1->weight.square().sum(1) + mlp->fc2->weight.square().sum(0)).sqrt();
  EXPECT_TRUE(torch::allclose(importance.scores()[2], expected, 1e-5, 1e-7));
}

/// What Taylor's score says of the weights in `slice`, by differences: the sum over images of |dL/df|, f a factor on them that moves
/// one image's embedding.
double gradient_of_a_factor(DualEncoder model, const Batch& batch, torch::Tensor slice) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor pixels = from_tensor(batch.pixels.view()), tokens = from_tensor(batch.tokens.view()).to(torch::kInt64);
  const torch::Tensor text = model->encode_text(tokens), base = model->encode_image(pixels), before = slice.clone();
  const auto with_factor = [&](double factor) {
    slice.copy_(before * factor);
    const torch::Tensor image = model->encode_image(pixels).clone();
    slice.copy_(before);
    return image;
  };
  const double step = 1e-2;
  const torch::Tensor more = with_factor(1 + step), less = with_factor(1 - step);
  const auto loss = [&](const torch::Tensor& image) { return contrastive_loss(image, text, model->logit_scale).item<double>(); };
  double sum = 0;
  for (std::int64_t row = 0; row < pixels.size(0); ++row) {
    torch::Tensor up = base.clone(), down = base.clone();
    up[row].copy_(more[row]);
    down[row].copy_(less[row]);
    sum += std::abs(loss(up) - loss(down)) / (2 * step);
  }
  return sum;
}

TEST(Importance, AHeadsTaylorScoreIsTheGradientOfAFactorOnIt) {
  // Of the first row alone: the class token of the last block, whose other rows nothing reads.
  Checkpoint checkpoint = random_checkpoint();
  Batch batch = random_batch(checkpoint.config);
  Objective objective = contrastive_objective(checkpoint);
  std::vector<PruneGroup> heads;
  for (PruneGroup& group : prune_groups(checkpoint.model, 7))
    if (group.kind == PruneKind::heads && group.vision) heads.push_back(std::move(group));
  UnitImportance importance(checkpoint.model, heads, "taylor");
  importance.add(batch, objective);
  const torch::Tensor scores = importance.scores().back();

  DualEncoder model = checkpoint.model;
  Attention attention = model->vision_model->blocks()->layer(1)->self_attn;
  const std::int64_t width = attention->head_width;
  for (std::int64_t head = 0; head < attention->heads; ++head) {
    const double expected = gradient_of_a_factor(model, batch, attention->out_proj->weight.slice(1, head * width, (head + 1) * width));
    EXPECT_NEAR(scores[head].item<double>(), expected, 0.03 * expected + 2e-5) << head;
  }
}

TEST(Importance, AChannelsTaylorScoreIsTheGradientOfAFactorOnIt) {
  Checkpoint checkpoint = test::kNetworks[3].checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  Objective objective = contrastive_objective(checkpoint);
  std::vector<PruneGroup> inner;
  for (PruneGroup& group : prune_groups(checkpoint.model, 7))
    if (group.name == "vision_model.layer2.1.conv1") inner.push_back(std::move(group));
  ASSERT_EQ(inner.size(), 1u);
  UnitImportance importance(checkpoint.model, inner, "taylor");
  importance.add(batch, objective);
  const torch::Tensor scores = importance.scores().front();

  DualEncoder model = checkpoint.model;
  const torch::Tensor reader = model->named_parameters()["vision_model.layer2.1.conv2.weight"];
  for (std::int64_t channel = 0; channel < inner[0].units; ++channel) {
    const double expected = gradient_of_a_factor(model, batch, reader.select(1, channel));
    EXPECT_NEAR(scores[channel].item<double>(), expected, 0.05 * expected + 5e-5) << channel;
  }
}

TEST(Importance, AStreamsChannelThatNobodyWritesScoresZero) {
  Checkpoint checkpoint = test::kNetworks[3].checkpoint();
  std::vector<PruneGroup> groups = prune_groups(checkpoint.model, 7);
  test::silence_units(checkpoint.model, groups, test::some_units(groups));
  for (const char* kind : {"taylor", "activation"}) {
    Objective objective = contrastive_objective(checkpoint);
    UnitImportance importance(checkpoint.model, groups, kind);
    importance.add(random_batch(checkpoint.config), objective);
    const auto scores = importance.scores();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto kept = test::some_units(groups)[g];
      const std::set<std::int64_t> alive(kept.begin(), kept.end());
      for (std::int64_t unit = 0; unit < groups[g].units; ++unit)
        if (alive.count(unit) == 0) {
          EXPECT_EQ(scores[g][unit].item<float>(), 0) << kind << " " << groups[g].name << " " << unit;
        }
      EXPECT_GT(scores[g].sum().item<double>(), 0) << kind << " " << groups[g].name;
    }
  }
}

TEST(Importance, PaddingDoesNotCount) {
  Checkpoint checkpoint = random_checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  Batch longer = batch;
  const torch::Tensor tokens = from_tensor(batch.tokens.view());
  longer.tokens = to_tensor(torch::cat({tokens, torch::zeros({5, 4}, torch::kInt32)}, 1));
  Objective objective = contrastive_objective(checkpoint);
  for (const char* kind : {"taylor", "activation"}) {
    UnitImportance a = mlp_importance(checkpoint.model, kind), b = mlp_importance(checkpoint.model, kind);
    a.add(batch, objective);
    b.add(longer, objective);
    EXPECT_TRUE(torch::allclose(a.scores().back(), b.scores().back(), 1e-3, 1e-6)) << kind;
  }
}

TEST(Importance, IsMeasuredWhereTheModelIs) {
  Checkpoint here = random_checkpoint(), there = random_checkpoint();
  there.model->to(test::kOtherDevice);
  const Batch batch = random_batch(here.config);
  for (const char* kind : {"taylor", "activation"}) {
    Objective objective = contrastive_objective(here), same = contrastive_objective(there);
    UnitImportance a = mlp_importance(here.model, kind), b = mlp_importance(there.model, kind);
    a.add(batch, objective);
    b.add(batch, same);
    for (std::size_t layer = 0; layer < a.scores().size(); ++layer)
      EXPECT_TRUE(torch::allclose(a.scores()[layer], b.scores()[layer].to(torch::kCPU), 1e-4, 1e-7)) << kind;
  }
}

}  // namespace
}  // namespace edgeclip
