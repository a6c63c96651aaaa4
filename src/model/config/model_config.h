#pragma once

#include "model/config/projection_config.h"
#include "model/config/text_config.h"
#include "model/config/vision_config.h"

/// Architectures as option structs; no LibTorch, so that anything may describe a model.
namespace edgeclip {

/// A dual encoder: any image tower with any text tower and any heads.
struct ModelConfig {
  VisionConfig vision;
  TextConfig text;
  ProjectionConfig visual_projection, text_projection;
  int projection_dim = 128;          ///< D
  double logit_scale_init = 2.6592;  ///< ln(1 / 0.07)

  template <class Visitor>
  void fields(Visitor& v) {
    v("vision", vision, "image tower");
    v("text", text, "text tower");
    v("visual_projection", visual_projection, "the image tower's projection head");
    v("text_projection", text_projection, "the text tower's projection head");
    v("projection_dim", projection_dim, "embedding width D");
    v("logit_scale_init", logit_scale_init,
      "initial logit scale (natural logarithm of the temperature's inverse)");
  }
  /// Throws InvalidInput: heads must divide widths, patches the image, lists match the layers.
  void validate(const std::string& where) const;
};

/// Neurons of layer i.
inline int intermediate_of(const std::vector<int>& sizes, int layer) {
  return sizes.size() == 1 ? sizes[0] : sizes.at(static_cast<std::size_t>(layer));
}

/// Heads of layer i, each hidden_size / num_attention_heads wide.
template <class TowerConfig>
int heads_of(const TowerConfig& tower, int layer) {
  return tower.layer_heads.empty() ? tower.num_attention_heads : tower.layer_heads.at(static_cast<std::size_t>(layer));
}

/// Channels within block i of a ResNet, counted over all stages, of which the block is of stage s: behind the 1x1, and behind the 3x3.
struct InnerSizes {
  int first, second;
};
InnerSizes inner_sizes_of(const VisionConfig& resnet, std::size_t stage, std::size_t block);

/// Bytes that the model's matrices take at least, in float32: a damaged configuration must not make us
/// allocate the machine's memory.
double least_weight_bytes(const ModelConfig& config);

}  // namespace edgeclip
