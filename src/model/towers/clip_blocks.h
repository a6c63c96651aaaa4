#pragma once

#include <type_traits>

#include "model/config/vision_config.h"
#include "model/transformer.h"

namespace edgeclip {

/// The pre-norm blocks that CLIP's two towers share.
template <class TowerConfig>
Transformer clip_blocks(const TowerConfig& config) {
  BlockOptions options;
  options.style = &kClipBlock;
  options.activation = config.hidden_act;
  options.norm_eps = config.layer_norm_eps;
  if constexpr (std::is_same_v<TowerConfig, VisionConfig>) options.proportional_attention = config.proportional_attention;
  return Transformer(config, options);
}

/// Normal initialization as in CLIP (Radford et al. 2021, appendix; Hugging Face's _init_weights): what is
/// added to the residual shrinks with depth.
void initialize_clip_blocks(Transformer& blocks);

}  // namespace edgeclip
