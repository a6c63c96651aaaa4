#include "model/towers/transformer_groups.h"

#include <type_traits>

namespace edgeclip {

namespace {

std::string list_name(const TowerImpl& tower, const std::string& name) {
  return fmt::format("{}.{}.{}", name, tower.blocks_name(), tower.blocks()->style.layers);
}

/// One number for all layers as one for each.
std::vector<int>& per_layer(std::vector<int>& list, int of_all, int layers) {
  if (list.size() != static_cast<std::size_t>(layers))
    list.assign(static_cast<std::size_t>(layers), list.size() == 1 ? list.front() : of_all);
  return list;
}

void erase_layer(std::vector<int>& list, int layers, std::size_t i) {
  if (list.size() == static_cast<std::size_t>(layers) && layers > 1) list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
}

/// Weight and bias of a layer whose outputs are units.
void add_maker(PruneGroup& group, const std::string& layer, const Linear& linear, std::int64_t size, double applied) {
  group.slices.push_back({layer + ".weight", 0, size, false, applied});
  if (linear->bias.defined()) group.slices.push_back({layer + ".bias", 0, size, false, 0});
}

}  // namespace

template <class TowerConfig>
std::vector<PruneGroup> transformer_groups(const TowerImpl& tower, const std::string& name, TowerConfig ModelConfig::*config,
                                           double tokens) {
  std::vector<PruneGroup> groups;
  const Transformer blocks = tower.blocks();
  const BlockStyle& style = blocks->style;
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    EncoderLayer layer = blocks->layer(i);
    const std::string block = fmt::format("{}.{}.", list_name(tower, name), i);
    PruneGroup heads;
    heads.name = block + style.attention;
    heads.kind = PruneKind::heads;
    heads.units = layer->self_attn->heads;
    const std::int64_t width = layer->self_attn->head_width;
    add_maker(heads, heads.name + "." + style.query, layer->self_attn->q_proj, width, tokens);
    add_maker(heads, heads.name + "." + style.key, layer->self_attn->k_proj, width, tokens);
    add_maker(heads, heads.name + "." + style.value, layer->self_attn->v_proj, width, tokens);
    heads.slices.push_back({heads.name + "." + style.out + ".weight", 1, width, true, tokens});
    heads.taps = {&layer->self_attn->mixed};
    heads.unit_macs = 2 * tokens * tokens * static_cast<double>(width);  // scores, and values by them
    heads.resize = [config, i](ModelConfig& model, int units) {
      TowerConfig& c = model.*config;
      if (units == heads_of(c, static_cast<int>(i))) return;
      per_layer(c.layer_heads, c.num_attention_heads, c.num_hidden_layers)[i] = units;
    };

    tokens -= layer->merged;  // between the two
    PruneGroup neurons;
    neurons.name = block + style.mlp;
    neurons.kind = PruneKind::neurons;
    neurons.units = layer->mlp->fc1->weight.size(0);
    add_maker(neurons, neurons.name + "." + style.fc1, layer->mlp->fc1, 1, tokens);
    neurons.slices.push_back({neurons.name + "." + style.fc2 + ".weight", 1, 1, true, tokens});
    neurons.taps = {&layer->mlp->hidden};
    neurons.resize = [config, i](ModelConfig& model, int units) {
      TowerConfig& c = model.*config;
      per_layer(c.intermediate_size, 0, c.num_hidden_layers)[i] = units;
    };
    for (PruneGroup* group : {&heads, &neurons}) {
      group->vision = std::is_same_v<TowerConfig, VisionConfig>;
      groups.push_back(std::move(*group));
    }
  }
  return groups;
}
template std::vector<PruneGroup> transformer_groups(const TowerImpl&, const std::string&, VisionConfig ModelConfig::*, double);
template std::vector<PruneGroup> transformer_groups(const TowerImpl&, const std::string&, TextConfig ModelConfig::*, double);

template <class TowerConfig>
std::vector<PruneBlock> transformer_blocks(const TowerImpl& tower, const std::string& name, TowerConfig ModelConfig::*config) {
  std::vector<PruneBlock> blocks;
  const std::size_t layers = tower.blocks()->layers->size();
  if (layers == 1) return blocks;
  for (std::size_t i = 0; i < layers; ++i)
    blocks.push_back({list_name(tower, name), static_cast<int>(i), [config, i](ModelConfig& model) {
                        TowerConfig& c = model.*config;
                        erase_layer(c.intermediate_size, c.num_hidden_layers, i);
                        erase_layer(c.layer_heads, c.num_hidden_layers, i);
                        if constexpr (std::is_same_v<TowerConfig, VisionConfig>) erase_layer(c.token_merging, c.num_hidden_layers, i);
                        --c.num_hidden_layers;
                        if constexpr (std::is_same_v<TowerConfig, VisionConfig>)
                          if (!merges_tokens(c)) c.token_merging.clear();  // those that did are gone
                      }});
  return blocks;
}
template std::vector<PruneBlock> transformer_blocks(const TowerImpl&, const std::string&, VisionConfig ModelConfig::*);
template std::vector<PruneBlock> transformer_blocks(const TowerImpl&, const std::string&, TextConfig ModelConfig::*);

}  // namespace edgeclip
