// Image towers whose layers merge tokens: the whole against an independent implementation, and what belongs to it.
#include "base/file.h"
#include "model/profile.h"
#include "model/towers/vit.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;

constexpr int kPatches = 12;

VisionConfig golden_config() {
  VisionConfig config;
  config.image_height = 32;
  config.image_width = 24;
  config.patch_size = 8;
  config.hidden_size = 32;
  config.num_attention_heads = 2;
  config.num_hidden_layers = 3;
  config.intermediate_size = {40};
  config.token_merging = {3, 2, 0};
  return config;
}

std::shared_ptr<VisionTransformer> golden_tower(const VisionConfig& config, const SafetensorsFile& file) {
  const auto tower = std::make_shared<VisionTransformer>(config);
  const torch::NoGradGuard no_grad;
  for (auto& item : tower->named_parameters()) item.value().copy_(tensor_of(file, "vision_model." + item.key()));
  return tower;
}

torch::Tensor pooled_by(ImageTower& tower, const torch::Tensor& pixels, ComputeType compute = ComputeType::f32,
                        std::vector<torch::Tensor>* hidden = nullptr) {
  return tower.forward(pixels, compute, hidden);
}

struct TokenMerging : ::testing::Test {
  const SafetensorsFile golden_file{golden("token_merge/vit.safetensors")};
  const torch::Tensor pixels = tensor_of(golden_file, "pixels");
  VisionConfig config = golden_config();
};

TEST_F(TokenMerging, TowersPoolWhatThePaperHas) {
  for (const char* pooling : {"class", "mean"}) {
    for (const bool proportional : {true, false}) {
      config.pooling = pooling;
      config.proportional_attention = proportional;
      const auto tower = golden_tower(config, golden_file);
      const torch::Tensor want = tensor_of(golden_file, fmt::format("pooled.{}.{}", pooling, proportional ? "proportional" : "plain"));
      std::vector<torch::Tensor> hidden;
      EXPECT_LE(max_difference(pooled_by(*tower, pixels), want), 2e-5) << pooling << proportional;
      EXPECT_LE(max_difference(pooled_by(*tower, pixels, ComputeType::f32, &hidden), want), 2e-5);
      std::vector<std::int64_t> lengths;
      for (const torch::Tensor& state : hidden) lengths.push_back(state.size(1));
      EXPECT_EQ(lengths, (std::vector<std::int64_t>{13, 10, 8, 8}));
      EXPECT_EQ(pooled_by(*tower, pixels.slice(0, 0, 0)).size(0), 0);
    }
  }
}

TEST_F(TokenMerging, OneNumberIsForAllLayersButALastOneThatNobodyReads) {
  config.token_merging = {2};
  std::vector<torch::Tensor> hidden;
  pooled_by(*golden_tower(config, golden_file), pixels, ComputeType::f32, &hidden);
  EXPECT_EQ(hidden.back().size(1), 1 + kPatches - 4);
  config.pooling = "mean";
  hidden.clear();
  pooled_by(*golden_tower(config, golden_file), pixels, ComputeType::f32, &hidden);
  EXPECT_EQ(hidden.back().size(1), 1 + kPatches - 6);
}

TEST_F(TokenMerging, GradientCheckpointingGivesTheSameGradients) {
  for (const char* pooling : {"class", "mean"}) {
    config.pooling = pooling;
    const auto gradients = [&](bool recompute) {
      const auto tower = golden_tower(config, golden_file);
      tower->train();
      tower->recompute_blocks(recompute);
      (pooled_by(*tower, pixels) * torch::linspace(-1, 1, 32)).sum().backward();
      std::vector<torch::Tensor> all;
      for (const torch::Tensor& parameter : tower->parameters()) all.push_back(parameter.grad());
      return all;
    };
    const auto plain = gradients(false), again = gradients(true);
    for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(torch::equal(plain[i], again[i])) << i;
  }
}

TEST_F(TokenMerging, WhatIsMergedHasAGradient) {
  // By differences: the matching stays as it is for a small step.
  const auto tower = golden_tower(config, golden_file);
  const auto value = [&] { return (pooled_by(*tower, pixels) * torch::linspace(-1, 1, 32)).sum(); };
  const torch::Tensor weight = tower->patch_embedding->weight;
  value().backward();
  const torch::Tensor direction = weight.grad() / weight.grad().norm();
  const double step = 1e-2, slope = weight.grad().norm().item<double>();
  const torch::NoGradGuard no_grad;
  weight.add_(direction, step);
  const double above = value().item<double>();
  weight.sub_(direction, 2 * step);
  EXPECT_NEAR((above - value().item<double>()) / (2 * step), slope, 0.01 * slope);
}

TEST_F(TokenMerging, Bf16IsNear) {
  const auto tower = golden_tower(config, golden_file);
  const torch::NoGradGuard no_grad;
  // Decisions may differ: as vectors most are near.
  const torch::Tensor cosines = torch::cosine_similarity(pooled_by(*tower, pixels, ComputeType::bf16), pooled_by(*tower, pixels), 1);
  EXPECT_GT(cosines.median().item<double>(), 0.98);
}

TEST_F(TokenMerging, ProfileCountsTheRowsThatAreLeft) {
  ModelConfig model;
  model.vision = config;
  ModelConfig plain = model;
  plain.vision.token_merging.clear();
  const auto rows_of = [](const ModelConfig& of) {
    std::map<std::string, std::int64_t> macs;
    const ModelProfile profile = profile_model(DualEncoder(of), 2, 5);
    for (const ModuleProfile& row : profile.rows) macs[row.name] = row.macs;
    return macs;
  };
  const auto merged = rows_of(model), all = rows_of(plain);
  const auto attention = [](std::int64_t tokens) { return 2 * (2 * tokens * tokens * 32 + 4 * tokens * 32 * 32); };
  const std::string layers = "vision_model.encoder.layers.";
  // Sources by targets by the width of a head.
  EXPECT_EQ(merged.at(layers + "0.self_attn"), attention(13) + 2 * 7 * 6 * 16);
  EXPECT_EQ(merged.at(layers + "1.self_attn"), attention(10) + 2 * 5 * 5 * 16);
  EXPECT_EQ(merged.at(layers + "2.self_attn"), attention(8));
  EXPECT_EQ(all.at(layers + "2.self_attn"), attention(13));
  const std::int64_t tokens[] = {10, 8, 8};
  for (int i = 0; i < 3; ++i) {
    const std::string name = fmt::format("{}{}.mlp", layers, i);
    EXPECT_EQ(merged.at(name) * 13, all.at(name) * tokens[i]);
  }
}

TEST_F(TokenMerging, OtherRowsAreAnotherModel) {
  ModelConfig merged;
  merged.vision = config;
  ModelConfig plain = merged;
  plain.vision.token_merging.clear();
  const TempDir dir;
  Checkpoint checkpoint;
  checkpoint.config = plain;
  checkpoint.model = DualEncoder(plain);
  save_checkpoint(dir / "c", checkpoint);
  EXPECT_EQ(read_file(dir / "c/config.json").find("token_merging"), std::string::npos);
  EXPECT_EQ(read_file(dir / "c/config.json").find("proportional"), std::string::npos);
  const Checkpoint same = load_checkpoint(dir / "c"),
                   changed = load_checkpoint(dir / "c", "", [&](ModelConfig& of) { of.vision.token_merging = {3, 2, 0}; });
  EXPECT_EQ(weights_hash(same.model), weights_hash(checkpoint.model));
  EXPECT_NE(weights_hash(changed.model), weights_hash(checkpoint.model));
  save_checkpoint(dir / "d", changed);
  EXPECT_EQ(load_checkpoint(dir / "d").config.vision.token_merging, (std::vector<int>{3, 2, 0}));
  EXPECT_NE(invalid_input_of([&] { load_checkpoint(dir / "c", "", [](ModelConfig& of) { of.vision.token_merging = {7}; }); })
                .find("model.vision.token_merging: layer 0 has 13 tokens, of which at most 6 can be merged, not 7"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
