#pragma once

#include <gtest/gtest.h>

#include "compress/random_checkpoint.h"
#include "model/prune_groups.h"

namespace edgeclip::test {

/// One of each kind of tower, of sizes that all differ, with random weights and statistics.
struct Network {
  const char *vision, *text, *head;
  bool first_shortcut = true;  ///< of a ResNet: its first block projects

  Checkpoint checkpoint() const {
    torch::manual_seed(11);
    Checkpoint checkpoint;
    ModelConfig& config = checkpoint.config;
    config = tiny_train_options().model;
    config.vision.model_type = vision;
    config.vision.hidden_size = 36;
    config.vision.num_attention_heads = 3;
    config.vision.num_hidden_layers = 3;
    config.vision.intermediate_size = {40, 28, 12};
    config.vision.depths = {2, 3};
    config.vision.hidden_sizes = {16, 24};
    config.vision.embedding_size = first_shortcut ? 12 : 16;
    config.text.model_type = text;
    config.text.num_hidden_layers = 2;
    config.text.num_attention_heads = 4;
    config.text.intermediate_size = {48};
    config.text.dropout = config.text.attention_dropout = 0;
    config.visual_projection.model_type = config.text_projection.model_type = head;
    checkpoint.model = DualEncoder(config);
    initialize_weights(checkpoint.model);
    const torch::NoGradGuard no_grad;
    for (auto& item : checkpoint.model->named_parameters())
      if (item.value().dim() == 1) item.value().add_(torch::randn_like(item.value()) * 0.1);
    for (auto& item : checkpoint.model->named_buffers())
      if (item.value().is_floating_point()) item.value().add_(torch::rand_like(item.value()) * 0.2);
    checkpoint.model->eval();
    return checkpoint;
  }
};

inline const Network kNetworks[] = {{"vit", "clip_text", "linear"},
                                    {"vit", "distilbert", "mlp"},
                                    {"resnet", "clip_text", "mlp"},
                                    {"resnet", "distilbert", "linear"},
                                    {"resnet", "clip_text", "linear", /*first_shortcut=*/false}};

inline std::string network_name(const testing::TestParamInfo<Network>& info) {
  return fmt::format("{}_{}_{}{}", info.param.vision, info.param.text, info.param.head, info.param.first_shortcut ? "" : "_plain");
}

/// Every third unit of each group goes, another third in each.
inline std::vector<std::vector<std::int64_t>> some_units(const std::vector<PruneGroup>& groups) {
  std::vector<std::vector<std::int64_t>> kept;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    kept.emplace_back();
    for (std::int64_t unit = 0; unit < groups[g].units; ++unit)
      if ((unit + static_cast<std::int64_t>(g)) % 3 != 0) kept.back().push_back(unit);
  }
  return kept;
}

/// Nothing comes out of the units that are not kept.
inline void silence_units(DualEncoder& model, const std::vector<PruneGroup>& groups, const std::vector<std::vector<std::int64_t>>& kept) {
  const torch::NoGradGuard no_grad;
  auto parameters = model->named_parameters();
  auto buffers = model->named_buffers();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    torch::Tensor goes = torch::ones({groups[g].units}, torch::kBool);
    goes.index_fill_(0, torch::tensor(kept[g], torch::kInt64), false);
    for (const TensorSlice& slice : groups[g].slices) {
      if (slice.reads) continue;
      torch::Tensor tensor = parameters.contains(slice.tensor) ? parameters[slice.tensor] : buffers[slice.tensor];
      const torch::Tensor index = goes.repeat_interleave(slice.size).nonzero().flatten();
      if (slice.tensor.find("running_var") == std::string::npos) tensor.index_fill_(slice.dim, index, 0);
    }
  }
}

}  // namespace edgeclip::test
