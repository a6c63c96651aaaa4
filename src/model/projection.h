#pragma once

#include <string>

#include "model/config/projection_config.h"
#include "model/linear.h"

namespace edgeclip {

/// y = projection(x); LayerNorm(y + dropout(fc(activation(y)))).  (B, width) -> (B, D)
class MlpProjectionImpl : public torch::nn::Module {
 public:
  MlpProjectionImpl(const ProjectionConfig& config, int width, int out);
  torch::Tensor forward(const torch::Tensor& x, ComputeType compute);

  const ProjectionConfig config;
  Linear projection{nullptr}, fc{nullptr};
  torch::nn::LayerNorm layer_norm{nullptr};
};
TORCH_MODULE(MlpProjection);

/// A projection head, (B, width) -> (B, D) before normalization: CLIP's linear layer without bias, whose
/// weight is the head's own ("visual_projection.weight"), or the MLP above.  One of the two is set.
struct Projection {
  Projection() = default;
  /// Registers the head with parent under name.
  Projection(torch::nn::Module& parent, const std::string& name, const ProjectionConfig& config, int width,
             int out);
  torch::Tensor operator()(const torch::Tensor& x, ComputeType compute);
  /// Random weights from torch's generator.
  void initialize();
  /// name: its own in the model.
  std::vector<QuantizableValue> quantizable(const std::string& name) const;

  Linear linear{nullptr};
  MlpProjection mlp{nullptr};
};

}  // namespace edgeclip
