#include "model/config/tower_kinds.h"

#include <numeric>

#include "base/registry.h"
#include "model/config/limits.h"
#include "model/config/model_config.h"
#include "model/config/token_merging.h"

namespace edgeclip {

template <class TowerConfig>
void validate_transformer(const TowerConfig& tower, const std::string& where) {
  require_size(tower.hidden_size, kMostWidth, "hidden_size", where);
  require_size(tower.num_hidden_layers, kMostLayers, "num_hidden_layers", where);
  require_size(tower.num_attention_heads, kMostWidth, "num_attention_heads", where);
  require_epsilon(tower.layer_norm_eps, where);
  if (tower.hidden_size % tower.num_attention_heads != 0)
    invalid_input("{}num_attention_heads: {} does not divide hidden_size {}", where,
                  tower.num_attention_heads, tower.hidden_size);
  const auto n = tower.intermediate_size.size();
  if (n != 1 && n != static_cast<std::size_t>(tower.num_hidden_layers))
    invalid_input("{}intermediate_size: has {} numbers; give one, or one per layer ({})", where, n,
                  tower.num_hidden_layers);
  for (const int size : tower.intermediate_size) require_size(size, kMostWidth, "intermediate_size", where);
  if (const auto layers = tower.layer_heads.size(); layers != 0 && layers != static_cast<std::size_t>(tower.num_hidden_layers))
    invalid_input("{}layer_heads: has {} numbers; give one per layer ({}), or none", where, layers, tower.num_hidden_layers);
  for (const int heads : tower.layer_heads) require_size(heads, tower.num_attention_heads, "layer_heads", where);
}
template void validate_transformer(const VisionConfig&, const std::string&);
template void validate_transformer(const TextConfig&, const std::string&);

template <class TowerConfig>
double transformer_weights(const TowerConfig& tower) {
  double sum = 0;
  const int head_width = tower.hidden_size / tower.num_attention_heads;
  for (int i = 0; i < tower.num_hidden_layers; ++i)
    sum += 4.0 * heads_of(tower, i) * head_width + 2.0 * intermediate_of(tower.intermediate_size, i);
  return sum * tower.hidden_size;
}
template double transformer_weights(const VisionConfig&);
template double transformer_weights(const TextConfig&);

namespace {

void validate_vit(const VisionConfig& v, const std::string& where) {
  validate_transformer(v, where);
  require_size(v.patch_size, kMostPixels, "patch_size", where);
  if (v.image_height % v.patch_size || v.image_width % v.patch_size)
    invalid_input("{}patch_size: {} does not divide the image {}x{} (height x width)", where, v.patch_size,
                  v.image_height, v.image_width);
  validate_token_merging(v, where);
}

double vit_weights(const VisionConfig& v) {
  const double patches = static_cast<double>(v.image_height / v.patch_size) * (v.image_width / v.patch_size);
  return transformer_weights(v) + v.hidden_size * (3.0 * v.patch_size * v.patch_size + patches);
}

void validate_resnet(const VisionConfig& v, const std::string& where) {
  require_size(v.embedding_size, kMostWidth, "embedding_size", where);
  for (const int depth : v.depths) require_size(depth, kMostLayers, "depths", where);
  if (v.depths.empty() || v.depths.size() != v.hidden_sizes.size())
    invalid_input("{}hidden_sizes: has {} numbers, depths has {}; give one of each per stage", where,
                  v.hidden_sizes.size(), v.depths.size());
  for (const int size : v.hidden_sizes) {
    require_size(size, kMostWidth, "hidden_sizes", where);
    if (size % 4 != 0 && v.inner_sizes.empty()) invalid_input("{}hidden_sizes: {} is no multiple of 4", where, size);
  }
  const std::size_t blocks = std::accumulate(v.depths.begin(), v.depths.end(), std::size_t{0});
  if (!v.inner_sizes.empty() && v.inner_sizes.size() != 2 * blocks)
    invalid_input("{}inner_sizes: has {} numbers; give two per block ({}), or none", where, v.inner_sizes.size(), 2 * blocks);
  for (const int size : v.inner_sizes) require_size(size, kMostWidth, "inner_sizes", where);
}

double resnet_weights(const VisionConfig& v) {
  double sum = 3.0 * 49 * v.embedding_size, in = v.embedding_size;
  std::size_t block = 0;
  for (std::size_t stage = 0; stage < v.depths.size(); ++stage) {
    const double out = v.hidden_sizes[stage];
    if (stage > 0 || in != out || v.first_shortcut) sum += in * out;
    for (int i = 0; i < v.depths[stage]; ++i, ++block) {
      const auto [first, second] = inner_sizes_of(v, stage, block);
      sum += in * first + 9.0 * first * second + second * out;
      in = out;
    }
  }
  return sum;
}

const VisionKind kVisionKinds[] = {
    {"vit",
     {"class", "mean"},
     [](const VisionConfig& v) { return v.hidden_size; },
     vit_weights,
     validate_vit},
    {"resnet",
     {},
     [](const VisionConfig& v) { return v.hidden_sizes.back(); },
     resnet_weights,
     validate_resnet},
};

const TextKind kTextKinds[] = {
    {"clip_text",
     {"first_end", "largest_id"},
     &TextConfig::end_pooling,
     /*masks_padding=*/false,
     [](const TextConfig& t) { return t.hidden_act; },
     [](const TextConfig& t) { return t.layer_norm_eps; }},
    {"distilbert",
     {"cls", "mean"},
     &TextConfig::mask_pooling,
     /*masks_padding=*/true,
     [](const TextConfig&) { return std::string("gelu"); },
     [](const TextConfig&) { return 1e-12; }},
};

}  // namespace

const VisionKind& vision_kind(const std::string& model_type) { return named_row(kVisionKinds, model_type); }
const TextKind& text_kind(const std::string& model_type) { return named_row(kTextKinds, model_type); }
std::vector<std::string> vision_kind_names() { return row_names(kVisionKinds); }
std::vector<std::string> text_kind_names() { return row_names(kTextKinds); }

}  // namespace edgeclip
