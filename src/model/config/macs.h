#pragma once

#include <cstdint>
#include <initializer_list>

#include "model/config/model_config.h"

/// Multiply-accumulates of a pass, as model/profile.h counts them: what follows from sizes alone.
namespace edgeclip {

/// Above it a number in JSON is no longer exact for readers that have doubles alone.
inline constexpr std::int64_t kMostMacs = std::int64_t{1} << 53;

/// Throws InvalidInput: more than kMostMacs.
[[noreturn]] void too_many_macs();
/// The product of sizes; InvalidInput if it is too large to be counted.
std::int64_t mac_product(std::initializer_list<std::int64_t> factors);

/// What a transformer block multiplies by.
struct BlockSizes {
  std::int64_t attention_weights = 0;  ///< values in the matrices of q, k, v and the output
  std::int64_t mlp_weights = 0;        ///< values in both matrices
  std::int64_t inner = 0;              ///< heads times head_width
  std::int64_t head_width = 0;
};

/// Layer i of a vit without an adapter.
BlockSizes block_sizes(const VisionConfig& vit, int layer);

/// Attention over `tokens` rows of each of `batch` sequences: its linear layers, QK^T, weights times V, and, where tokens are
/// merged behind it, each source's key by each target's, of heads' mean (ops/token_merge.h).
std::int64_t attention_macs(const BlockSizes& block, std::int64_t batch, std::int64_t tokens, int merged);
/// The MLP of so many rows.
std::int64_t mlp_macs(const BlockSizes& block, std::int64_t rows);

/// ModelProfile::image_macs of one image, of a model whose image tower is a vit, without an adapter.
std::int64_t vit_macs(const ModelConfig& config);

}  // namespace edgeclip
