#include "model/config/macs.h"

#include "base/error.h"
#include "model/config/token_merging.h"

namespace edgeclip {

void too_many_macs() { invalid_input("profile: more than 2^53 MACs; give a smaller batch, or a model of smaller images"); }

std::int64_t mac_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t result = 1;
  for (const std::int64_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result) || result > kMostMacs) too_many_macs();
  return result;
}

BlockSizes block_sizes(const VisionConfig& vit, int layer) {
  const std::int64_t width = vit.hidden_size, head_width = vit.hidden_size / vit.num_attention_heads;
  const std::int64_t inner = heads_of(vit, layer) * head_width;
  return {4 * inner * width, 2 * width * intermediate_of(vit.intermediate_size, layer), inner, head_width};
}

std::int64_t attention_macs(const BlockSizes& block, std::int64_t batch, std::int64_t tokens, int merged) {
  std::int64_t macs = mac_product({2, batch, tokens, tokens, block.inner});  // QK^T, then weights times V
  macs += mac_product({batch, tokens, block.attention_weights});
  if (merged > 0) macs += mac_product({batch, (tokens + 1) / 2, tokens / 2, block.head_width});
  return macs;
}

std::int64_t mlp_macs(const BlockSizes& block, std::int64_t rows) { return mac_product({rows, block.mlp_weights}); }

std::int64_t vit_macs(const ModelConfig& config) {
  const VisionConfig& vit = config.vision;
  EDGECLIP_CHECK(vit.model_type == "vit");
  const std::vector<int> tokens = tokens_of_layers(vit);
  std::int64_t macs = mac_product({tokens[0] - 1, 3, vit.patch_size, vit.patch_size, vit.hidden_size});
  for (int layer = 0; layer < vit.num_hidden_layers; ++layer) {
    const auto at = static_cast<std::size_t>(layer);
    const BlockSizes block = block_sizes(vit, layer);
    macs += attention_macs(block, 1, tokens[at], merged_in(vit, layer)) + mlp_macs(block, tokens[at + 1]);
  }
  macs += mac_product({vit.hidden_size, config.projection_dim});
  if (!config.visual_projection.is_linear()) macs += mac_product({config.projection_dim, config.projection_dim});
  if (macs > kMostMacs) too_many_macs();
  return macs;
}

}  // namespace edgeclip
