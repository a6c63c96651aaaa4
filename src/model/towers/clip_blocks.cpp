#include "model/towers/clip_blocks.h"

#include <cmath>

namespace edgeclip {

void initialize_clip_blocks(Transformer& blocks) {
  const auto normal = [](torch::Tensor t, double std) { torch::nn::init::normal_(t, 0.0, std); };
  const auto depth = static_cast<double>(blocks->layers->size());
  for (std::size_t i = 0; i < blocks->layers->size(); ++i) {
    EncoderLayer layer = blocks->layer(i);
    const auto width = static_cast<double>(layer->self_attn->q_proj->weight.size(1));
    const double narrow = std::pow(width, -0.5) * std::pow(2 * depth, -0.5);
    for (auto& linear : {layer->self_attn->q_proj, layer->self_attn->k_proj, layer->self_attn->v_proj})
      normal(linear->weight, narrow);
    normal(layer->self_attn->out_proj->weight, std::pow(width, -0.5));
    normal(layer->mlp->fc1->weight, std::pow(2 * width, -0.5));
    normal(layer->mlp->fc2->weight, narrow);
  }
}

}  // namespace edgeclip
