#pragma once

#include "model/config/model_config.h"
#include "model/lora/adapter_set.h"
#include "model/projection.h"
#include "model/towers/towers.h"

namespace edgeclip {

/// The dual encoder: both towers, their projections and the learned temperature.  Parameter names are Hugging
/// Face CLIPModel's; other towers keep their own library's names under the same two prefixes.
class DualEncoderImpl : public torch::nn::Module {
 public:
  explicit DualEncoderImpl(const ModelConfig& config);

  /// Unit rows (B, D) float32.
  torch::Tensor encode_image(const torch::Tensor& pixels, ComputeType compute = ComputeType::f32);
  torch::Tensor encode_text(const torch::Tensor& tokens, ComputeType compute = ComputeType::f32);
  /// Before normalization (B, D).
  torch::Tensor project_image(const torch::Tensor& pixels, ComputeType compute = ComputeType::f32);
  torch::Tensor project_text(const torch::Tensor& tokens, ComputeType compute = ComputeType::f32);
  /// What the projections read: (B, width of the tower).
  torch::Tensor hidden_image(const torch::Tensor& pixels, ComputeType compute = ComputeType::f32);
  torch::Tensor hidden_text(const torch::Tensor& tokens, ComputeType compute = ComputeType::f32);

  /// A new adapter "default", everything else frozen but what `beside` names (new_adapter()).  Throws
  /// InvalidInput if a target fits nothing.
  void attach_lora(const LoraOptions& options, const std::vector<std::string>& beside = {});
  bool has_lora() const { return !adapters.used().empty(); }
  /// Folds the adapter into the weights and drops it; all parameters train again.
  void merge_lora();
  /// What can learn to be int8 of each tower and its projection.
  std::vector<QuantizableValue> quantizable_image();
  std::vector<QuantizableValue> quantizable_text();
  /// Gradient checkpointing, block by block.
  void recompute_blocks(bool on);

  ModelConfig config;  ///< what it was built from
  AdapterSet adapters{*this};
  std::shared_ptr<ImageTower> vision_model;
  std::shared_ptr<TextTower> text_model;
  Projection visual_projection, text_projection;
  torch::Tensor logit_scale;  ///< scalar, natural logarithm
};
TORCH_MODULE(DualEncoder);

/// Rows (B, D) of length 1, in float32 whatever x is: eight bits of mantissa are too few for cosines.
torch::Tensor unit_rows(const torch::Tensor& x);

/// Random weights as each part's own library draws them, from torch's generator.
void initialize_weights(DualEncoder& model);

}  // namespace edgeclip
