#include "compress/surgery.h"

#include "compress/every_network.h"
#include "data/text/tokenizer.h"
#include "support/other_device.h"
#include "support/support.h"
#include "train/tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

class Surgery : public testing::TestWithParam<Network> {};

TEST_P(Surgery, CuttingSilentUnitsChangesNothing) {
  Checkpoint checkpoint = GetParam().checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  const auto groups = prune_groups(checkpoint.model, 5);
  const KeptUnits kept = some_units(groups);
  silence_units(checkpoint.model, groups, kept);
  const torch::Tensor before = embeddings(checkpoint, batch);
  const Checkpoint smaller = with_units(checkpoint, groups, kept);
  EXPECT_LE((embeddings(smaller, batch) - before).abs().max().item<double>(), 2e-6);
  // What the network says of itself is what was kept.
  const auto left = prune_groups(smaller.model, 5);
  ASSERT_EQ(left.size(), groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_EQ(left[g].name, groups[g].name);
    EXPECT_EQ(left[g].units, static_cast<std::int64_t>(kept[g].size())) << groups[g].name;
  }
}

TEST_P(Surgery, WhatWasCutIsSavedAndTrains) {
  const Checkpoint checkpoint = GetParam().checkpoint();
  const auto groups = prune_groups(checkpoint.model, 5);
  Checkpoint smaller = with_units(checkpoint, groups, some_units(groups));
  smaller.tokenizer = train_tokenizer({"A man in a red coat.", "A woman in a blue coat.", "A boy with a bag."}, 40);
  const TempDir dir;
  save_checkpoint(dir / "checkpoint", smaller);
  Checkpoint again = load_checkpoint(dir / "checkpoint");
  const Batch batch = random_batch(checkpoint.config);
  again.model->eval();
  EXPECT_EQ((embeddings(again, batch) - embeddings(smaller, batch)).abs().max().item<double>(), 0);
  batch_loss(smaller.model, batch, true, false).backward();
  for (const auto& item : smaller.model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_EQ(item.value().grad().sizes(), item.value().sizes()) << item.key();
  }
}

TEST_P(Surgery, ABlockThatDoesNothingCanGo) {
  for (std::size_t which = 0; which < prune_blocks(GetParam().checkpoint().model).size(); ++which) {
    Checkpoint checkpoint = GetParam().checkpoint();
    const PruneBlock block = prune_blocks(checkpoint.model)[which];
    const bool post_norm = block.list.rfind("text_model", 0) == 0 && checkpoint.config.text.model_type == "distilbert";
    {  // what it adds to the stream becomes 0
      const torch::NoGradGuard no_grad;
      for (auto& item : checkpoint.model->named_parameters())
        for (const char* last : {".out_proj.", ".fc2.", ".bn3."})
          if (item.key().rfind(block.name() + ".", 0) == 0 && item.key().find(last) != std::string::npos) item.value().zero_();
    }
    const Batch batch = random_batch(checkpoint.config);
    const torch::Tensor before = embeddings(checkpoint, batch);
    const Checkpoint smaller = without_block(checkpoint, block);
    const torch::Tensor after = embeddings(smaller, batch);
    if (!post_norm) {
      EXPECT_LE((after - before).abs().max().item<double>(), 1e-6) << block.name();
    }
    EXPECT_TRUE(after.isfinite().all().item<bool>()) << block.name();
    EXPECT_EQ(prune_blocks(smaller.model).size() < prune_blocks(checkpoint.model).size(), true) << block.name();
  }
}

INSTANTIATE_TEST_SUITE_P(All, Surgery, testing::ValuesIn(kNetworks), network_name);

TEST(SurgeryBlocks, ListsPerLayerLoseTheirEntry) {
  Checkpoint checkpoint = kNetworks[0].checkpoint();
  const auto groups = prune_groups(checkpoint.model, 5);
  KeptUnits kept = some_units(groups);
  const Checkpoint smaller = with_units(checkpoint, groups, kept);
  EXPECT_EQ(smaller.config.vision.layer_heads, (std::vector<int>{2, 2, 2}));
  const auto blocks = prune_blocks(smaller.model);
  ASSERT_EQ(blocks[1].name(), "vision_model.encoder.layers.1");
  const Checkpoint shorter = without_block(smaller, blocks[1]);
  EXPECT_EQ(shorter.config.vision.num_hidden_layers, 2);
  EXPECT_EQ(shorter.config.vision.intermediate_size.size(), 2u);
  EXPECT_EQ(shorter.config.vision.intermediate_size[1], smaller.config.vision.intermediate_size[2]);
  EXPECT_EQ(shorter.config.vision.layer_heads.size(), 2u);
  EXPECT_EQ(shorter.model->config.vision.num_hidden_layers, 2);
}

TEST(SurgeryResNet, AStreamAsWideAsItsStemKeepsItsShortcut) {
  // Two channels of the stem's twelve and six of the stage's sixteen go: both are ten wide then.
  Checkpoint checkpoint = kNetworks[3].checkpoint();
  const Batch batch = random_batch(checkpoint.config);
  const auto groups = prune_groups(checkpoint.model, 5);
  KeptUnits kept;
  for (const PruneGroup& group : groups) {
    const std::int64_t goes = group.name == "vision_model.conv1" ? 2 : group.name == "vision_model.layer1" ? 6 : 0;
    kept.emplace_back();
    for (std::int64_t unit = goes; unit < group.units; ++unit) kept.back().push_back(unit);
  }
  silence_units(checkpoint.model, groups, kept);
  const torch::Tensor before = embeddings(checkpoint, batch);
  const Checkpoint smaller = with_units(checkpoint, groups, kept);
  EXPECT_EQ(smaller.config.vision.embedding_size, smaller.config.vision.hidden_sizes[0]);
  EXPECT_TRUE(smaller.config.vision.first_shortcut);
  EXPECT_LE((embeddings(smaller, batch) - before).abs().max().item<double>(), 2e-6);
}

TEST(SurgeryDevice, IsDoneWhereTheModelIs) {
  Checkpoint here = kNetworks[0].checkpoint(), there = kNetworks[0].checkpoint();
  there.model->to(kOtherDevice);
  const Batch batch = random_batch(here.config);
  const auto cut = [](const Checkpoint& checkpoint) {
    const auto groups = prune_groups(checkpoint.model, 5);
    return with_units(checkpoint, groups, some_units(groups));
  };
  Checkpoint a = cut(here), b = cut(there);
  b.model->to(torch::kCPU);
  EXPECT_LE((embeddings(a, batch) - embeddings(b, batch)).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace edgeclip
