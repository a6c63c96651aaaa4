#pragma once

#include "model/transformer.h"

namespace edgeclip {

/// The pre-norm blocks that CLIP's two towers share.
template <class TowerConfig>
Transformer clip_blocks(const TowerConfig& config) {
  BlockOptions options;
  options.style = &kClipBlock;
  options.activation = config.hidden_act;
  options.norm_eps = config.layer_norm_eps;
  return Transformer(config, options);
}

/// Normal initialization as in CLIP (Radford et al. 2021, appendix; Hugging Face's _init_weights): what is
/// added to the residual shrinks with depth.
void initialize_clip_blocks(Transformer& blocks);

}  // namespace edgeclip
