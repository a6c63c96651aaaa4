#pragma once

#include <map>

#include "model/towers.h"

namespace edgeclip {

/// The dual encoder: both towers, their projections (no bias) and the learned temperature.  Parameter names
/// are Hugging Face CLIPModel's.
class DualEncoderImpl : public torch::nn::Module {
 public:
  explicit DualEncoderImpl(const ModelConfig& config);

  /// Unit rows (B, D).
  torch::Tensor encode_image(const torch::Tensor& pixels);
  torch::Tensor encode_text(const torch::Tensor& tokens);
  /// Before normalization (B, D).
  torch::Tensor project_image(const torch::Tensor& pixels);
  torch::Tensor project_text(const torch::Tensor& tokens);

  /// Adapters on every linear layer whose name ends with a target; everything else is frozen.  Throws
  /// InvalidInput if a target matches nothing.
  void attach_lora(const LoraOptions& options);
  bool has_lora() const;
  /// Folds the adapters into the weights and drops them; all parameters train again.
  void merge_lora();
  /// Every Linear by its dotted name ("vision_model.encoder.layers.0.self_attn.q_proj").
  std::vector<std::pair<std::string, Linear>> linears() const;

  ModelConfig config;  ///< kept true by pruning (intermediate_size)
  VisionTower vision_model{nullptr};
  TextTower text_model{nullptr};
  Linear visual_projection{nullptr}, text_projection{nullptr};
  torch::Tensor logit_scale;  ///< scalar, natural logarithm
};
TORCH_MODULE(DualEncoder);

/// Normal initialization as in CLIP (Radford et al. 2021, appendix; Hugging Face's _init_weights), from
/// torch's generator.
void initialize_weights(DualEncoder& model);

}  // namespace edgeclip
